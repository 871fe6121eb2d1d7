//! From what a block says to the code that says it to the crate.

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

/// What the options say, or else the type.
struct Names {
    /// The path of the module `__macro`.
    k: TokenStream,
    /// The type's name on the wire.
    ty: String,
    proxy: Ident,
    vis: Visibility,
}

/// The block, and behind it what makes its methods known.
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
    // Where the type is visible cannot be seen from here, and a trait's associated type has to be
    // visible wherever the type is.
    let (vis, proxy) = options
        .proxy
        .unwrap_or_else(|| (parse_quote!(pub), format_ident!("{}Proxy", interface.ident.unraw())));
    Names { k, ty, proxy, vis }
}

/// The tokens of a type, with its name for `Self`: for use outside of the block.
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

/// Names of the macro's own, which do not meet those of the user.
fn own() -> Span {
    Span::mixed_site()
}
