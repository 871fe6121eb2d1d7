//! Expansion: from the model of an `impl` block to the generated code.

mod interface;
mod proxy;
mod simulator;

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote};
use syn::ext::IdentExt;
use syn::{ItemImpl, Visibility, parse_quote};

use crate::model::{Errors, Interface, Kind};
use crate::options::Options;
use crate::{parse, root};

pub(crate) use simulator::expand as simulator;

/// The names that the options set, or else the type.
struct Names {
    /// The path of the module `__macro`.
    k: TokenStream,
    /// The name of the type on the wire.
    ty: String,
    proxy: Ident,
    vis: Visibility,
}

/// Expands a block: the block itself, followed by the code that exposes its methods.
pub(crate) fn block(kind: Kind, options: TokenStream, mut item: ItemImpl) -> TokenStream {
    let mut errors = Errors::default();
    let options = errors.ok(Options::parse(options));
    let interface = parse::interface(&mut item, kind, &mut errors);
    let options = options.unwrap_or_default();
    let k = errors.ok(root::module(options.root.as_ref()));

    let generated = interface.zip(k).map(|(interface, k)| {
        let names = names(options, &interface, k);
        let code = interface::implementation(&interface, &names);
        let agent = (kind == Kind::Agent).then(|| interface::agent(&interface, &names));
        let proxy = proxy::definition(&interface, &names);
        quote!(#code #agent #proxy)
    });
    let errors = errors.into_tokens();
    quote!(#item #generated #errors)
}

fn names(options: Options, interface: &Interface, k: TokenStream) -> Names {
    let ty = match options.name {
        Some(name) => name.value(),
        None => interface.ident.unraw().to_string(),
    };
    // `pub`: the macro cannot see the visibility of the type, and an associated type of a trait must be as visible as
    // the type.
    let (vis, proxy) = options
        .proxy
        .unwrap_or_else(|| (parse_quote!(pub), format_ident!("{}Proxy", interface.ident.unraw())));
    Names { k, ty, proxy, vis }
}

/// Replaces `Self` in the tokens with the type, for use outside the block.
fn outside(tokens: impl ToTokens, interface: &Interface) -> TokenStream {
    let replaced = tokens.into_token_stream().into_iter().flat_map(|tree| match tree {
        TokenTree::Ident(ident) if ident == "Self" => interface.ty.to_token_stream(),
        TokenTree::Group(group) => {
            let mut inner =
                proc_macro2::Group::new(group.delimiter(), outside(group.stream(), interface));
            inner.set_span(group.span());
            TokenTree::from(inner).into()
        }
        tree => tree.into(),
    });
    replaced.collect()
}

/// Returns a hygienic span: names of the macro do not clash with the user's.
fn own() -> Span {
    Span::mixed_site()
}
