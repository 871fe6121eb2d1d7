//! Parses parameters and their roles.

use std::collections::HashSet;

use syn::ext::IdentExt;
use syn::{Attribute, FnArg, Ident, LitStr, Meta, Pat, PatType, Result, Signature, Type};

use super::types;
use crate::model::{Errors, Parameter, Role};
use crate::options::Argument;

/// The most parameters of a kind: the size of the tuples that a proxy sends.
const MOST: usize = 8;

/// Parses the parameters after `self`. Returns `None` if one of them cannot be parsed.
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
    let mut arg = Vec::new();
    typed.attrs.retain(|attr| {
        let is = |name: &&str| attr.path().is_ident(name);
        if is(&"arg") {
            arg.push(attr.clone());
        } else if ["default", "context", "args", "kwargs"].iter().any(is) {
            ours.push(attr.clone());
        } else {
            return true;
        }
        false
    });
    if let Some(cfg) = typed.attrs.iter().find(|attr| attr.path().is_ident("cfg")) {
        errors.at(cfg, "a parameter cannot be conditional: write two methods");
        return None;
    }
    if let Some(second) = ours.get(1) {
        errors.at(second, "a parameter has one of these attributes only");
        return None;
    }
    if let Some(second) = arg.get(1) {
        errors.at(second, "this attribute is given twice: `#[arg(name = \"name\", keyword)]`");
        return None;
    }
    let role = errors.ok(role(ours.first(), &typed.ty))?;
    let Argument { name, keyword } = match arg.first() {
        None => Argument::default(),
        Some(attr) if !role.is_bound() => {
            errors.at(attr, "this parameter has no name that callers know");
            return None;
        }
        Some(attr) => errors.ok(Argument::parse(attr))?,
    };
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
        // No caller uses the name of a context.
        Pat::Wild(wild) if matches!(role, Role::Context { .. }) => {
            Ident::new("context", wild.underscore_token.span)
        }
        Pat::Wild(wild) => {
            errors.at(
                wild,
                "a parameter needs a name, as callers may give it as a keyword: `_value` is `value` for them",
            );
            return None;
        }
        pat => {
            errors.at(pat, "a parameter needs a plain name: callers may give it as a keyword");
            return None;
        }
    };
    let name = name.unwrap_or_else(|| wire_name(&ident));
    Some(Parameter { ident, name, ty: (*typed.ty).clone(), role, keyword })
}

/// Returns the name that callers know.
///
/// A leading underscore is removed: it only tells the compiler that the parameter is unused.
fn wire_name(ident: &Ident) -> LitStr {
    let text = ident.unraw().to_string();
    let name =
        text.strip_prefix('_').filter(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()));
    LitStr::new(name.unwrap_or(&text), ident.span())
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

/// Returns `true` for `&Context`, or `&Mosaik` in a simulator, under any path.
///
/// Such a type could never be an argument.
fn is_context(ty: &Type) -> bool {
    let Type::Reference(reference) = types::peel(ty) else { return false };
    let Type::Path(path) = types::peel(&reference.elem) else { return false };
    let last = path.path.segments.last();
    last.is_some_and(|last| ["Context", "Mosaik"].iter().any(|name| last.ident == name))
}

/// Checks the order of parameters, which is that of Python.
///
/// It is: required, optional, `#[args]`, `#[arg(keyword)]`, `#[kwargs]`. The context may stand at any position.
fn check_order(parameters: &[Parameter]) -> Result<()> {
    let error = |parameter: &Parameter, message: &str| {
        Err(syn::Error::new_spanned(&parameter.ident, message))
    };
    let (mut required, mut optional) = (0, 0);
    let (mut args, mut keyword, mut kwargs, mut context) = (false, false, false, false);
    let mut names = HashSet::new();
    for parameter in parameters {
        let is_bound = parameter.role.is_bound();
        if is_bound && kwargs {
            return error(parameter, "`#[kwargs]` come after all other parameters");
        }
        if is_bound && !parameter.keyword && (args || keyword) {
            let message = if args {
                "behind `#[args]`, a parameter can only be given by name: mark it `#[arg(keyword)]`"
            } else {
                "parameters with `#[arg(keyword)]` come after those that are given by position"
            };
            return error(parameter, message);
        }
        if is_bound && !names.insert(parameter.name.value()) {
            let message = format!(
                "callers know two parameters as `{name}`: give one another name, `#[arg(name = \"{name}2\")]`",
                name = parameter.name.value()
            );
            return error(parameter, &message);
        }
        match &parameter.role {
            _ if is_bound && parameter.keyword => {
                keyword = true;
                optional += 1;
            }
            Role::Required if optional > 0 => {
                return error(
                    parameter,
                    "this one has to be given, but one before it may be left out: mark it \
                     `#[arg(keyword)]`, or put it in front",
                );
            }
            Role::Required => required += 1,
            Role::Optional(_) | Role::Default(_) => optional += 1,
            Role::Args(_) if args => return error(parameter, "there are `#[args]` already"),
            Role::Args(_) if kwargs => {
                return error(parameter, "`#[args]` come before `#[kwargs]`");
            }
            Role::Args(_) if keyword => {
                return error(parameter, "`#[args]` come before parameters with `#[arg(keyword)]`");
            }
            Role::Args(_) if optional > 0 => {
                return error(
                    parameter,
                    "further positional arguments would take the place of the parameters that may \
                     be left out: mark those `#[arg(keyword)]` and put them behind these, or make \
                     them required",
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
                "a method has at most eight parameters that have to be given by position, and eight \
                 others: take a struct",
            );
        }
    }
    Ok(())
}
