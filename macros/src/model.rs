//! What an `impl` block says.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{Attribute, Expr, Ident, LitStr, Type};

/// What a block is written for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Service,
    Agent,
}

/// The methods of a type, by what they are for.
pub(crate) struct Interface {
    pub(crate) ty: Type,
    /// The last segment of the type.
    pub(crate) ident: Ident,
    pub(crate) methods: Vec<Method>,
    pub(crate) services: Vec<Nested>,
    pub(crate) hidden: Vec<Hidden>,
    pub(crate) on_start: Option<Method>,
    pub(crate) on_stop: Option<Method>,
}

/// A method that is called from outside.
pub(crate) struct Method {
    pub(crate) ident: Ident,
    /// What callers know it by.
    pub(crate) name: LitStr,
    /// Those that the method of the proxy gets as well.
    pub(crate) attrs: Attributes,
    pub(crate) receiver: Receiver,
    pub(crate) is_async: bool,
    /// As many as the method has, in their order.
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

/// A method that callers are told not to call.
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
    /// What callers know it by.
    pub(crate) name: LitStr,
    pub(crate) ty: Type,
    pub(crate) role: Role,
    /// Callers give it by name only.
    pub(crate) keyword: bool,
}

pub(crate) enum Role {
    /// Has to be given.
    Required,
    /// May be left out: the type is an `Option` of this one.
    Optional(Type),
    /// May be left out, for this value or for the type's own default.
    Default(Option<Expr>),
    /// A list of this type, for further positional arguments.
    Args(Type),
    /// A map from names to this type, for further keyword arguments.
    Kwargs(Type),
    /// What is known about the call; taken by reference or by value.
    Context { by_ref: bool },
}

impl Role {
    /// Whether it has a place in the signature: a name, and one argument.
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

/// What a method returns.
pub(crate) struct Output {
    /// `T`, also of a `Result<T, E>`. `None`: no return type is written.
    pub(crate) ty: Option<Type>,
    pub(crate) is_result: bool,
    /// Where errors about it belong.
    pub(crate) span: Span,
}

/// The attributes of a method that what is generated for it has to have, too.
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

/// The errors of a block. They are reported together.
#[derive(Default)]
pub(crate) struct Errors(Option<syn::Error>);

impl Errors {
    /// Notes an error about `tokens`.
    pub(crate) fn at(&mut self, tokens: impl ToTokens, message: impl std::fmt::Display) {
        self.push(syn::Error::new_spanned(tokens, message));
    }

    pub(crate) fn push(&mut self, error: syn::Error) {
        match &mut self.0 {
            Some(first) => first.combine(error),
            None => self.0 = Some(error),
        }
    }

    /// The value; its error, if it has one, is noted.
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

/// Where the compiler shows its errors about generated code: at the user's `tokens`, though names in
/// the code are the macro's own.
pub(crate) fn site(tokens: &impl Spanned) -> Span {
    tokens.span().resolved_at(Span::mixed_site())
}
