//! `#[simulator]`: extra methods of a mosaik simulator.

use proc_macro2::TokenStream;
use quote::quote_spanned;
use syn::{Error, ImplItem, ItemImpl};

use super::interface::{Answer, argument, bind, encode};
use super::own;
use crate::model::{Errors, Method, site};
use crate::options::Options;
use crate::{parse, root};

/// Expands the block: its exposed methods move to a block of their own.
///
/// The code that binds their arguments is added to the trait's block.
pub(crate) fn expand(options: TokenStream, mut item: ItemImpl) -> TokenStream {
    let mut errors = Errors::default();
    let k = errors.ok(module(options));
    let (methods, functions) = parse::extra_methods(&mut item, &mut errors);
    let written = item.items.iter().find_map(|item| match item {
        ImplItem::Fn(function) if function.sig.ident == "extra_method" => Some(&function.sig.ident),
        _ => None,
    });
    if let Some(ident) = written {
        errors.at(ident, "`#[simulator]` writes this method: it calls those with `#[expose]`");
    } else if let Some(k) = k {
        item.items.extend(dispatch(&methods, &k).map(ImplItem::Verbatim));
    }
    let (impl_generics, _, where_clause) = item.generics.split_for_impl();
    let ty = &item.self_ty;
    let errors = errors.into_tokens();
    quote_spanned! {own()=>
        #item

        impl #impl_generics #ty #where_clause {
            #(#functions)*
        }

        #errors
    }
}

fn module(options: TokenStream) -> syn::Result<TokenStream> {
    let Options { proxy, name, root } = Options::parse(options)?;
    let other = proxy.map(|(_, proxy)| proxy.span()).or_else(|| name.map(|name| name.span()));
    match other {
        Some(span) => Err(Error::new(span, "the only option of a simulator is `crate = path`")),
        None => root::module_of_mosaik(root.as_ref()),
    }
}

/// Generates the items of the trait that concern extra methods.
fn dispatch(methods: &[Method], k: &TokenStream) -> [TokenStream; 2] {
    let names = methods.iter().map(|method| {
        let (name, cfg) = (&method.name, &method.attrs.cfg);
        quote_spanned!(own()=> #(#cfg)* #name)
    });
    let arms = methods.iter().map(|method| {
        let (name, cfg) = (&method.name, &method.attrs.cfg);
        let call = call(method, k);
        quote_spanned!(own()=> #(#cfg)* #name => { #call })
    });
    let names = quote_spanned! {own()=>
        const EXTRA_METHODS: &'static [&'static str] = &[#(#names),*];
    };
    let function = quote_spanned! {own()=>
        async fn extra_method(
            &mut self,
            method: &str,
            arguments: #k::Arguments<'_>,
            mosaik: &#k::Mosaik,
        ) -> #k::Result<#k::Value> {
            let _ = mosaik;
            let invocation = #k::Invocation::new(&arguments);
            match method {
                #(#arms)*
                _ => invocation.unknown(),
            }
        }
    };
    [names, function]
}

/// Generates code that binds the arguments, calls the method and converts its result.
fn call(method: &Method, k: &TokenStream) -> TokenStream {
    let bind = bind(method, k);
    let context = method.parameters.iter().find(|parameter| parameter.is_context()).map(
        |context| quote_spanned!(site(&context.ty)=> let context = #k::Mosaik::clone(mosaik);),
    );
    let (ident, at) = (&method.ident, site(&method.ident));
    let arguments = method.parameters.iter().map(argument);
    let wait = method.is_async.then(|| quote_spanned!(at=> .await));
    let call = quote_spanned!(at=> Self::#ident(self, #(#arguments),*) #wait);
    let encoder = quote_spanned!(method.output.span=> invocation);
    let answer = encode(method, k, Answer::Result, &encoder, &call);
    quote_spanned! {at=>
        #bind
        #context
        #answer
    }
}
