//! Parameters, and what they are for.

use syn::{Attribute, FnArg, Ident, Meta, Pat, PatType, Result, Signature, Type};

use super::types;
use crate::model::{Errors, Parameter, Role};

/// How many there can be of a kind: what the tuples that a proxy sends have room for.
const MOST: usize = 8;

/// The parameters after `self`. `None` if one of them cannot be understood.
pub(super) fn all(sig: &mut Signature, errors: &mut Errors) -> Option<Vec<Parameter>> {
    let typed = sig.inputs.iter_mut().filter_map(|input| match input {
        FnArg::Typed(typed) => Some(typed),
        FnArg::Receiver(_) => None,
    });
    let parameters: Vec<_> = typed.map(|typed| parameter(typed, errors)).collect();
    let parameters = parameters.into_iter().collect::<Option<Vec<_>>>()?;
    errors.ok(check_order(&parameters))?;
    Some(parameters)
}

fn parameter(typed: &mut PatType, errors: &mut Errors) -> Option<Parameter> {
    let mut ours = Vec::new();
    typed.attrs.retain(|attr| {
        let keep =
            !["default", "context", "args", "kwargs"].iter().any(|n| attr.path().is_ident(n));
        if !keep {
            ours.push(attr.clone());
        }
        keep
    });
    if let Some(cfg) = typed.attrs.iter().find(|attr| attr.path().is_ident("cfg")) {
        errors.at(cfg, "a parameter cannot be conditional: write two methods");
        return None;
    }
    if let Some(second) = ours.get(1) {
        errors.at(second, "a parameter has one of these attributes only");
        return None;
    }
    let role = errors.ok(role(ours.first(), &typed.ty))?;
    if !matches!(role, Role::Context { .. }) {
        types::owned(
            &typed.ty,
            "take an owned type such as `String`: arguments are decoded from the wire",
            "a method that is called from outside cannot be generic: name the type",
            errors,
        )?;
    }
    let ident = match &*typed.pat {
        Pat::Ident(pat) if pat.by_ref.is_none() && pat.subpat.is_none() => pat.ident.clone(),
        // It has no name that anyone would use.
        Pat::Wild(wild) if matches!(role, Role::Context { .. }) => {
            Ident::new("context", wild.underscore_token.span)
        }
        pat => {
            errors.at(pat, "a parameter needs a plain name: callers may give it as a keyword");
            return None;
        }
    };
    Some(Parameter { ident, ty: (*typed.ty).clone(), role })
}

fn role(attr: Option<&Attribute>, ty: &Type) -> Result<Role> {
    let Some(attr) = attr else {
        if is_context(ty) {
            let message = "mark it `#[context]`: callers give no context, the method finds one";
            return Err(syn::Error::new_spanned(ty, message));
        }
        return Ok(match types::arguments(ty, "Option").as_deref() {
            Some([inner]) => Role::Optional((*inner).clone()),
            _ => Role::Required,
        });
    };
    if attr.path().is_ident("default") {
        return match &attr.meta {
            Meta::Path(_) => Ok(Role::Default(None)),
            Meta::NameValue(value) => Ok(Role::Default(Some(value.value.clone()))),
            Meta::List(_) => Err(syn::Error::new_spanned(attr, "write `#[default = value]`")),
        };
    }
    attr.meta.require_path_only()?;
    if attr.path().is_ident("context") {
        return match types::peel(ty) {
            Type::Reference(reference) if reference.mutability.is_some() => {
                Err(syn::Error::new_spanned(ty, "take the context as `&Context` or as `Context`"))
            }
            ty => Ok(Role::Context { by_ref: matches!(ty, Type::Reference(_)) }),
        };
    }
    if attr.path().is_ident("args") {
        return match types::arguments(ty, "Vec").as_deref() {
            Some([item]) => Ok(Role::Args((*item).clone())),
            _ => Err(syn::Error::new_spanned(ty, "further positional arguments are a `Vec<T>`")),
        };
    }
    match types::arguments(ty, "BTreeMap").as_deref() {
        Some([_, value]) => Ok(Role::Kwargs((*value).clone())),
        _ => Err(syn::Error::new_spanned(
            ty,
            "further keyword arguments are a `BTreeMap<String, T>`",
        )),
    }
}

/// Whether it is `&Context`, under whatever path: nothing that could be an argument.
fn is_context(ty: &Type) -> bool {
    let Type::Reference(reference) = types::peel(ty) else { return false };
    let Type::Path(path) = types::peel(&reference.elem) else { return false };
    path.path.segments.last().is_some_and(|last| last.ident == "Context")
}

/// As in Python: required ones, optional ones, `#[args]`, `#[kwargs]`. The context may be anywhere.
fn check_order(parameters: &[Parameter]) -> Result<()> {
    let error =
        |parameter: &Parameter, message| Err(syn::Error::new_spanned(&parameter.ident, message));
    let (mut required, mut optional) = (0, 0);
    let (mut args, mut kwargs, mut context) = (false, false, false);
    for parameter in parameters {
        if parameter.is_bound() && (args || kwargs) {
            return error(parameter, "`#[args]` and `#[kwargs]` come after all other parameters");
        }
        match &parameter.role {
            Role::Required if optional > 0 => {
                return error(
                    parameter,
                    "this one has to be given, but one before it may be left out",
                );
            }
            Role::Required => required += 1,
            Role::Optional(_) | Role::Default(_) => optional += 1,
            Role::Args(_) if args => return error(parameter, "there are `#[args]` already"),
            Role::Args(_) if kwargs => {
                return error(parameter, "`#[args]` come before `#[kwargs]`");
            }
            Role::Args(_) if optional > 0 => {
                return error(
                    parameter,
                    "further positional arguments would take the place of the parameters that may \
                     be left out: make those required, or these `#[kwargs]`",
                );
            }
            Role::Args(_) => args = true,
            Role::Kwargs(_) if kwargs => return error(parameter, "there are `#[kwargs]` already"),
            Role::Kwargs(_) => kwargs = true,
            Role::Context { .. } if context => {
                return error(parameter, "there is a context already");
            }
            Role::Context { .. } => context = true,
        }
        if required > MOST || optional > MOST {
            return error(
                parameter,
                "a method has at most eight parameters that have to be given, and eight that may be \
                 left out: take a struct",
            );
        }
    }
    Ok(())
}
