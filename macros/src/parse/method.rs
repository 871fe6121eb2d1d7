//! Parses methods with a purpose.

use syn::{ImplItemFn, LitStr, ReceiverKind, ReturnType, Safety, Signature, Type};

use super::{parameter, types};
use crate::model::{Attributes, Errors, Method, Nested, Output, Receiver};

/// Parses a method with `#[expose]`.
pub(super) fn exposed(
    function: &mut ImplItemFn,
    name: LitStr,
    errors: &mut Errors,
) -> Option<Method> {
    let parameters = parameter::all(&mut function.sig, errors);
    let receiver = receiver(&function.sig, errors);
    let plain = plain(&function.sig, errors);
    let output = types::output(&function.sig);
    let owned = owned(&output, errors);
    plain.and(owned)?;
    Some(Method {
        ident: function.sig.ident.clone(),
        name,
        attrs: Attributes::of(&function.attrs),
        receiver: receiver?,
        is_async: function.sig.asyncness.is_some(),
        parameters: parameters?,
        output,
    })
}

/// Parses a method with `#[on_start]` or `#[on_stop]`.
pub(super) fn hook(function: &mut ImplItemFn, errors: &mut Errors) -> Option<Method> {
    let name = super::wire_name(&function.sig.ident);
    let method = exposed(function, name, errors)?;
    let mut wrong = false;
    for parameter in method.parameters.iter().filter(|parameter| !parameter.is_context()) {
        errors.at(
            &parameter.ident,
            "this method is called without arguments, except for a `#[context]`",
        );
        wrong = true;
    }
    (!wrong).then_some(method)
}

/// Parses a method with `#[service]`.
pub(super) fn nested(function: &ImplItemFn, name: LitStr, errors: &mut Errors) -> Option<Nested> {
    let sig = &function.sig;
    let plain = plain(sig, errors);
    let receiver = receiver(sig, errors);
    if let Some(asyncness) = &sig.asyncness {
        errors.at(asyncness, "a method that returns a service is not `async`");
        return None;
    }
    if receiver? == Receiver::Exclusive || sig.inputs.len() > 1 {
        errors.at(&sig.inputs, "a method that returns a service takes `&self` and nothing else");
        return None;
    }
    let ReturnType::Type(_, ty) = &sig.output else {
        errors.at(&sig.ident, "return the service that is to be found under this name");
        return None;
    };
    let owned = types::owned(
        ty,
        "return the service itself: it is served as long as this one",
        "name the type of the service: the proxy has to know it",
        errors,
    );
    plain.and(owned)?;
    Some(Nested {
        ident: sig.ident.clone(),
        name,
        attrs: Attributes::of(&function.attrs),
        ty: (**ty).clone(),
    })
}

/// Rejects methods that a table of methods cannot call.
fn plain(sig: &Signature, errors: &mut Errors) -> Option<()> {
    if !sig.generics.params.is_empty() {
        errors.at(&sig.generics, "a method that is called from outside cannot be generic");
        return None;
    }
    if let Safety::Unsafe(token) = &sig.safety {
        errors.at(token, "a method that is called from outside cannot be `unsafe`");
        return None;
    }
    Some(())
}

fn receiver(sig: &Signature, errors: &mut Errors) -> Option<Receiver> {
    let Some(receiver) = sig.receiver() else {
        errors.at(&sig.ident, "this method has no `self`: take `&self` or `&mut self`");
        return None;
    };
    match &receiver.kind {
        ReceiverKind::Reference(_, _, None) => Some(Receiver::Shared),
        ReceiverKind::Reference(_, _, Some(_)) => Some(Receiver::Exclusive),
        _ => {
            errors.at(receiver, "take `&self` or `&mut self`: there are more calls to come");
            None
        }
    }
}

/// Checks that the result is owned.
///
/// A reference to the whole result is allowed: the proxy returns the owned type.
fn owned(output: &Output, errors: &mut Errors) -> Option<()> {
    let Some(ty) = &output.ty else { return Some(()) };
    types::owned(
        match types::peel(ty) {
            Type::Reference(reference) => &reference.elem,
            _ => ty,
        },
        "return an owned type such as `String`: the result is decoded from the wire",
        "name the type that is returned: the proxy has to know it",
        errors,
    )
}
