//! The model of an `impl` block: its methods, parameters and errors.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{Attribute, Expr, Ident, LitStr, Type};

/// The attribute of a block.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Service,
    Agent,
}

/// The methods of a type by purpose.
pub(crate) struct Interface {
    pub(crate) ty: Type,
    /// The last segment of the type's path.
    pub(crate) ident: Ident,
    pub(crate) methods: Vec<Method>,
    pub(crate) services: Vec<Nested>,
    pub(crate) hidden: Vec<Hidden>,
    pub(crate) on_start: Option<Method>,
    pub(crate) on_stop: Option<Method>,
}

/// A method that can be called from outside.
pub(crate) struct Method {
    pub(crate) ident: Ident,
    /// The name that callers know.
    pub(crate) name: LitStr,
    /// The attributes that the method of the proxy has too.
    pub(crate) attrs: Attributes,
    pub(crate) receiver: Receiver,
    pub(crate) is_async: bool,
    /// All parameters of the method, in order.
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) output: Output,
}

/// A method that returns a service.
pub(crate) struct Nested {
    pub(crate) ident: Ident,
    pub(crate) name: LitStr,
    pub(crate) attrs: Attributes,
    pub(crate) ty: Type,
}

/// A method of which callers learn that it is not exposed.
pub(crate) struct Hidden {
    pub(crate) name: LitStr,
    pub(crate) attrs: Attributes,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receiver {
    Shared,
    Exclusive,
}

pub(crate) struct Parameter {
    pub(crate) ident: Ident,
    /// The name that callers know.
    pub(crate) name: LitStr,
    pub(crate) ty: Type,
    pub(crate) role: Role,
    /// `true` for a keyword-only parameter.
    pub(crate) keyword: bool,
}

pub(crate) enum Role {
    /// A required parameter.
    Required,
    /// An optional parameter, whose type is an `Option` of this one.
    Optional(Type),
    /// An optional parameter with this default, or with the default of its type.
    Default(Option<Expr>),
    /// A list of this type, for further positional arguments.
    Args(Type),
    /// A map from names to this type, for further keyword arguments.
    Kwargs(Type),
    /// The context of the call, by reference or by value.
    Context { by_ref: bool },
}

impl Role {
    /// Returns `true` for a parameter with a name and exactly one argument.
    pub(crate) const fn is_bound(&self) -> bool {
        matches!(self, Self::Required | Self::Optional(_) | Self::Default(_))
    }
}

impl Parameter {
    pub(crate) const fn is_optional(&self) -> bool {
        matches!(self.role, Role::Optional(_) | Role::Default(_))
    }

    pub(crate) const fn is_context(&self) -> bool {
        matches!(self.role, Role::Context { .. })
    }
}

/// The return type of a method.
pub(crate) struct Output {
    /// The type `T`, also of a `Result<T, E>`; `None` without a return type.
    pub(crate) ty: Option<Type>,
    pub(crate) is_result: bool,
    /// The span for errors about the return type.
    pub(crate) span: Span,
}

/// The attributes that generated code shares with the method.
#[derive(Default)]
pub(crate) struct Attributes {
    pub(crate) cfg: Vec<Attribute>,
    /// Documentation and deprecation.
    pub(crate) docs: Vec<Attribute>,
}

impl Attributes {
    pub(crate) fn of(attrs: &[Attribute]) -> Self {
        let with = |names: &[&str]| {
            let named = |attr: &&Attribute| names.iter().any(|name| attr.path().is_ident(name));
            attrs.iter().filter(named).cloned().collect()
        };
        Self { cfg: with(&["cfg"]), docs: with(&["doc", "deprecated"]) }
    }

    pub(crate) fn has_docs(&self) -> bool {
        self.docs.iter().any(|attr| attr.path().is_ident("doc"))
    }
}

/// The errors of a block, which are reported together.
#[derive(Default)]
pub(crate) struct Errors(Option<syn::Error>);

impl Errors {
    /// Adds an error about `tokens`.
    pub(crate) fn at(&mut self, tokens: impl ToTokens, message: impl std::fmt::Display) {
        self.push(syn::Error::new_spanned(tokens, message));
    }

    pub(crate) fn push(&mut self, error: syn::Error) {
        match &mut self.0 {
            Some(first) => first.combine(error),
            None => self.0 = Some(error),
        }
    }

    /// Returns the value, or adds the error and returns `None`.
    pub(crate) fn ok<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }

    pub(crate) fn into_result(self) -> syn::Result<()> {
        self.0.map_or(Ok(()), Err)
    }

    pub(crate) fn into_tokens(self) -> TokenStream {
        self.0.map(syn::Error::into_compile_error).unwrap_or_default()
    }
}

/// Returns the span for errors of the compiler about generated code.
///
/// It points to the user's `tokens`, but names in the code resolve as the macro's own.
pub(crate) fn site(tokens: &impl Spanned) -> Span {
    tokens.span().resolved_at(Span::mixed_site())
}
