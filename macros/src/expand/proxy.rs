//! Generates the typed proxy.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{Ident, LitStr, Type};

use super::{Names, outside, own};
use crate::model::{Attributes, Interface, Method, Nested, Role, site};

pub(super) fn definition(interface: &Interface, names: &Names) -> TokenStream {
    let Names { k, proxy, vis, .. } = names;
    let name = proxy.unraw().to_string();
    let doc = format!("Calls the methods of a [`{}`] elsewhere.", interface.ident.unraw());
    let methods = interface.methods.iter().map(|each| method(each, interface, names));
    let services = interface.services.iter().map(|each| service(each, interface, names));
    let taken = interface.methods.iter().map(|method| &method.ident);
    let taken = taken.chain(interface.services.iter().map(|service| &service.ident));
    let taken: Vec<_> = taken.collect();
    let free = |name: &str, method| (!taken.iter().any(|ident| *ident == name)).then_some(method);
    let options = [
        free(
            "with_timeout",
            quote_spanned! {own()=>
                /// Returns the same proxy with a timeout, after which unanswered calls fail.
                #[must_use]
                #vis fn with_timeout(&self, timeout: ::std::time::Duration) -> Self {
                    Self(self.0.with_timeout(timeout))
                }
            },
        ),
        free(
            "idempotent",
            quote_spanned! {own()=>
                /// Returns the same proxy, which repeats lost calls after a reconnect.
                ///
                /// A proxy of a connection that does not reconnect does not repeat calls.
                #[must_use]
                #vis fn idempotent(&self) -> Self {
                    Self(self.0.idempotent())
                }
            },
        ),
    ];
    let conversions = conversions(proxy, &name, k);

    // A program may leave parts of the proxy unused. The proxy has the highest visibility that it could need, which may
    // exceed that of the types in the block.
    quote_spanned! {own()=>
        #[doc = #doc]
        #[allow(dead_code, unreachable_pub, rustdoc::private_intra_doc_links)]
        #[derive(
            ::std::clone::Clone,
            ::std::cmp::PartialEq,
            ::std::cmp::Eq,
            ::std::hash::Hash,
        )]
        #vis struct #proxy(#k::Proxy);

        #[allow(
            dead_code,
            private_interfaces,
            unreachable_pub,
            rustdoc::broken_intra_doc_links,
            rustdoc::private_intra_doc_links,
        )]
        impl #proxy {
            #(#methods)*
            #(#services)*
            #(#options)*
        }

        #conversions
    }
}

/// Generates the conversions between the proxy, the dynamic proxy in it, the wire and text.
fn conversions(proxy: &Ident, name: &str, k: &TokenStream) -> TokenStream {
    quote_spanned! {own()=>
        #[automatically_derived]
        impl ::std::convert::From<#k::Proxy> for #proxy {
            fn from(proxy: #k::Proxy) -> Self {
                Self(proxy)
            }
        }

        #[automatically_derived]
        impl ::std::convert::From<#proxy> for #k::Proxy {
            fn from(proxy: #proxy) -> Self {
                proxy.0
            }
        }

        #[automatically_derived]
        impl ::std::convert::AsRef<#k::Proxy> for #proxy {
            fn as_ref(&self) -> &#k::Proxy {
                &self.0
            }
        }

        #[automatically_derived]
        impl ::std::fmt::Debug for #proxy {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                self.0.fmt_as(#name, f)
            }
        }

        #[automatically_derived]
        impl ::std::fmt::Display for #proxy {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                self.0.fmt_as(#name, f)
            }
        }

        #[automatically_derived]
        impl #k::serde::Serialize for #proxy {
            fn serialize<S: #k::serde::Serializer>(
                &self,
                serializer: S,
            ) -> ::std::result::Result<S::Ok, S::Error> {
                #k::serde::Serialize::serialize(&self.0, serializer)
            }
        }

        #[automatically_derived]
        impl<'de> #k::serde::Deserialize<'de> for #proxy {
            fn deserialize<D: #k::serde::Deserializer<'de>>(
                deserializer: D,
            ) -> ::std::result::Result<Self, D::Error> {
                #k::serde::Deserialize::deserialize(deserializer).map(Self)
            }
        }
    }
}

fn method(method: &Method, interface: &Interface, names: &Names) -> TokenStream {
    let Names { k, vis, .. } = names;
    let Method { ident, name, .. } = method;
    let attrs = attributes(&method.attrs, name);

    let mut inputs = Vec::new();
    let (mut required, mut optional) = (Vec::new(), Vec::new());
    let (mut args, mut kwargs) = (None, None);
    for parameter in &method.parameters {
        let ty = outside(&parameter.ty, interface);
        let mut input = parameter.ident.clone();
        input.set_span(site(&parameter.ident));
        match &parameter.role {
            Role::Context { .. } => continue,
            Role::Optional(_) | Role::Default(_) => {
                let ty = match &parameter.role {
                    Role::Optional(inner) => outside(inner, interface),
                    _ => ty,
                };
                let name = &parameter.name;
                optional.push(quote_spanned! {own()=>
                    #k::Keyword(#name, ::std::convert::Into::into(#input))
                });
                inputs.push(quote_spanned! {own()=>
                    #input: impl ::std::convert::Into<::std::option::Option<#ty>>
                });
                continue;
            }
            Role::Required if parameter.keyword => {
                let name = &parameter.name;
                optional.push(quote_spanned! {own()=>
                    #k::Keyword(#name, ::std::option::Option::Some(#input))
                });
            }
            Role::Required => required.push(input.clone()),
            Role::Args(_) => args = Some(input.clone()),
            Role::Kwargs(_) => kwargs = Some(input.clone()),
        }
        inputs.push(quote!(#input: #ty));
    }
    let positional = match args {
        Some(args) => quote_spanned!(own()=> #k::Positional((#(#required,)*), #args)),
        None => quote_spanned!(own()=> (#(#required,)*)),
    };
    let keywords = match kwargs {
        // Nested tuples, so that there is always room for the map.
        Some(kwargs) => quote_spanned!(own()=> #k::Keywords(((#(#optional,)*), #kwargs))),
        None if optional.is_empty() => quote_spanned!(own()=> ()),
        None => quote_spanned!(own()=> #k::Keywords((#(#optional,)*))),
    };
    let output = output(method, interface);
    // The compiler reports here, at the method, that a type cannot be encoded or decoded. The code that answers the
    // call reports it at the type.
    let invoke = Ident::new("invoke", site(ident));
    quote_spanned! {own()=>
        #attrs
        #vis fn #ident(&self, #(#inputs),*) -> #k::Call<#output> {
            self.0.#invoke(#name, &#positional, &#keywords)
        }
    }
}

/// Returns the type that a caller gets: the owned type for a reference.
fn output(method: &Method, interface: &Interface) -> TokenStream {
    match &method.output.ty {
        None => quote!(()),
        Some(Type::Reference(reference)) => {
            let ty = outside(&reference.elem, interface);
            quote_spanned!(method.output.span=> <#ty as ::std::borrow::ToOwned>::Owned)
        }
        Some(ty) => outside(ty, interface),
    }
}

fn service(service: &Nested, interface: &Interface, names: &Names) -> TokenStream {
    let Names { k, vis, .. } = names;
    let Nested { ident, name, .. } = service;
    let attrs = attributes(&service.attrs, name);
    let ty = outside(&service.ty, interface);
    let proxy = quote_spanned!(site(&service.ty)=> <#ty as #k::IntoService>::Proxy);
    quote_spanned! {own()=>
        #attrs
        #vis fn #ident(&self) -> #proxy {
            ::std::convert::From::from(self.0.get(#name))
        }
    }
}

/// Returns the attributes of the method, with a line of documentation if it has none.
fn attributes(attrs: &Attributes, name: &LitStr) -> TokenStream {
    let Attributes { cfg, docs } = attrs;
    let line = (!attrs.has_docs()).then(|| {
        let line = format!("Calls `{}`.", name.value());
        quote!(#[doc = #line])
    });
    quote!(#(#cfg)* #line #(#docs)*)
}
