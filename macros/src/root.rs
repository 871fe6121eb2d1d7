//! Finds the crate that generated code refers to.

use proc_macro_crate::{FoundCrate, crate_name};
use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{Ident, Path};

/// The crates that export the module `__macro`, which is the same in all.
const CRATES: [&str; 5] =
    ["aiomas", "aiomas-tokio", "aiomas-smol", "aiomas-async-std", "aiomas-sim"];

/// Returns the path of the module with the items that generated code needs.
pub(crate) fn module(given: Option<&Path>) -> syn::Result<TokenStream> {
    find(&CRATES, given)
}

/// Returns the path of the module with the items that a mosaik simulator needs.
pub(crate) fn module_of_mosaik(given: Option<&Path>) -> syn::Result<TokenStream> {
    find(&["aiomas-mosaik"], given)
}

fn find(crates: &[&str], given: Option<&Path>) -> syn::Result<TokenStream> {
    if let Some(path) = given {
        return Ok(quote!(#path::__macro));
    }
    let find = |name: &&str| match crate_name(name).ok()? {
        // Examples and tests of the crate itself, which use its name as other crates do.
        FoundCrate::Itself => Some(name.replace('-', "_")),
        FoundCrate::Name(name) => Some(name),
    };
    let Some(name) = crates.iter().find_map(find) else {
        let message = format!(
            "none of the crates {} is among the dependencies in Cargo.toml; \
             if another crate re-exports one of them, name it: `crate = path`",
            crates.join(", ")
        );
        return Err(syn::Error::new(Span::call_site(), message));
    };
    let name = Ident::new(&name, Span::call_site());
    Ok(quote!(::#name::__macro))
}
