//! Properties of a type that follow from its tokens.

use syn::visit::Visit;
use syn::{
    GenericArgument, PathArguments, ReturnType, Signature, Type, TypeImplTrait, TypeReference,
};

use crate::model::{Errors, Output, site};

/// Returns the type without the parentheses and invisible groups around it.
pub(super) fn peel(mut ty: &Type) -> &Type {
    loop {
        ty = match ty {
            Type::Group(group) => &group.elem,
            Type::Paren(paren) => &paren.elem,
            _ => return ty,
        };
    }
}

/// Returns the type arguments of `Name<A, B>`, under any path.
pub(super) fn arguments<'a>(ty: &'a Type, name: &str) -> Option<Vec<&'a Type>> {
    let Type::Path(path) = peel(ty) else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == name)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    let types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    Some(types.collect())
}

/// Returns the return type of a method.
///
/// A `Result` is recognised by its name and its first type argument, so that `io::Result<T>` is one, too.
pub(super) fn output(sig: &Signature) -> Output {
    let ReturnType::Type(_, ty) = &sig.output else {
        return Output { ty: None, is_result: false, span: site(&sig.ident) };
    };
    let (value, is_result) = match arguments(ty, "Result").as_deref() {
        Some([value, ..]) => (*value, true),
        _ => (&**ty, false),
    };
    Output { ty: Some(value.clone()), is_result, span: site(ty) }
}

/// Rejects references and `impl Trait` anywhere in a type, with the given messages.
pub(super) fn owned(
    ty: &Type,
    reference: &'static str,
    opaque: &'static str,
    errors: &mut Errors,
) -> Option<()> {
    struct Owned {
        reference: &'static str,
        opaque: &'static str,
        errors: Errors,
    }

    impl<'ast> Visit<'ast> for Owned {
        fn visit_type_reference(&mut self, ty: &'ast TypeReference) {
            self.errors.at(ty, self.reference);
        }

        fn visit_type_impl_trait(&mut self, ty: &'ast TypeImplTrait) {
            self.errors.at(ty, self.opaque);
        }
    }

    let mut visitor = Owned { reference, opaque, errors: Errors::default() };
    visitor.visit_type(ty);
    errors.ok(visitor.errors.into_result())
}
