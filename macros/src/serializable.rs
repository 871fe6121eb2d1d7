//! `#[serializable]`: types that are typed values.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{DeriveInput, Error, LitStr, Result};

use crate::options::Options;
use crate::root;

/// Expands the type, and implements the traits of a typed value for it.
///
/// serde derives the form of the data, as functions of the type (`remote = "Self"`); the implementations of the traits
/// wrap that form with the id of the type.
pub(crate) fn expand(options: TokenStream, item: &DeriveInput) -> Result<TokenStream> {
    let options = Options::parse(options)?;
    if let Some((_, proxy)) = options.proxy {
        return Err(Error::new(proxy.span(), "a serializable type has no proxy"));
    }
    if !item.generics.params.is_empty() {
        let message = "a serializable type has one name, so it cannot be generic";
        return Err(Error::new(item.generics.span(), message));
    }
    let k = root::module(options.root.as_ref())?;
    let ty = &item.ident;
    let name = options.name.unwrap_or_else(|| LitStr::new(&ty.unraw().to_string(), ty.span()));
    let serde = LitStr::new(&quote!(#k::serde).to_string().replace(' ', ""), ty.span());
    Ok(quote! {
        #[derive(#k::serde::Serialize, #k::serde::Deserialize)]
        #[serde(crate = #serde, remote = "Self")]
        #item

        impl #k::Serializable for #ty {
            const TYPE: &'static str = #name;
        }

        impl #k::serde::Serialize for #ty {
            fn serialize<S: #k::serde::Serializer>(
                &self,
                serializer: S,
            ) -> ::core::result::Result<S::Ok, S::Error> {
                struct Data<'a>(&'a #ty);
                impl #k::serde::Serialize for Data<'_> {
                    fn serialize<S: #k::serde::Serializer>(
                        &self,
                        serializer: S,
                    ) -> ::core::result::Result<S::Ok, S::Error> {
                        #ty::serialize(self.0, serializer)
                    }
                }
                #k::typed::serialize(#name, &Data(self), serializer)
            }
        }

        impl<'de> #k::serde::Deserialize<'de> for #ty {
            fn deserialize<D: #k::serde::Deserializer<'de>>(
                deserializer: D,
            ) -> ::core::result::Result<Self, D::Error> {
                struct Data(#ty);
                impl<'de> #k::serde::Deserialize<'de> for Data {
                    fn deserialize<D: #k::serde::Deserializer<'de>>(
                        deserializer: D,
                    ) -> ::core::result::Result<Self, D::Error> {
                        #ty::deserialize(deserializer).map(Data)
                    }
                }
                #k::typed::deserialize(#name, deserializer).map(|Data(value)| value)
            }
        }
    })
}
