//! The options in the parentheses of an attribute.

use syn::meta::ParseNestedMeta;
use syn::parse::Parser;
use syn::{Attribute, Ident, LitStr, Meta, Path, Result, Visibility, parse_quote};

/// The options `#[service(proxy = pub(crate) Name, name = "Name", crate = path)]`.
#[derive(Default)]
pub(crate) struct Options {
    /// The visibility and name of the proxy.
    pub(crate) proxy: Option<(Visibility, Ident)>,
    /// The name of the type on the wire.
    pub(crate) name: Option<LitStr>,
    /// The path of the crate.
    pub(crate) root: Option<Path>,
}

impl Options {
    pub(crate) fn parse(tokens: proc_macro2::TokenStream) -> Result<Self> {
        let mut options = Self::default();
        let option = |meta: ParseNestedMeta<'_>| {
            if meta.path.is_ident("proxy") {
                let value = meta.value()?;
                let vis = match value.parse()? {
                    Visibility::Inherited => parse_quote!(pub),
                    vis => vis,
                };
                return once(&meta, &mut options.proxy, (vis, value.parse()?));
            }
            if meta.path.is_ident("name") {
                let name = meta.value()?.parse()?;
                return once(&meta, &mut options.name, name);
            }
            if meta.path.is_ident("crate") {
                let path = meta.value()?.call(Path::parse_mod_style)?;
                return once(&meta, &mut options.root, path);
            }
            Err(meta.error("the options are `proxy = Name`, `name = \"Name\"` and `crate = path`"))
        };
        syn::meta::parser(option).parse2(tokens)?;
        Ok(options)
    }
}

/// Returns the name in `#[expose(name = "type")]` or `#[service(name = "type")]` of a method.
pub(crate) fn wire_name(attr: &Attribute) -> Result<Option<LitStr>> {
    let mut name: Option<LitStr> = None;
    if !matches!(attr.meta, Meta::Path(_)) {
        attr.parse_nested_meta(|meta| {
            if !meta.path.is_ident("name") {
                return Err(meta.error("the only option of a method is `name = \"name\"`"));
            }
            let value: LitStr = meta.value()?.parse()?;
            if value.value().is_empty() || value.value().contains('/') {
                let message = "a name is not empty and has no `/`, which separates names in a path";
                return Err(syn::Error::new(value.span(), message));
            }
            once(&meta, &mut name, value)
        })?;
    }
    Ok(name)
}

/// The options `#[arg(name = "name", keyword)]` of a parameter.
#[derive(Default)]
pub(crate) struct Argument {
    pub(crate) name: Option<LitStr>,
    pub(crate) keyword: bool,
}

impl Argument {
    pub(crate) fn parse(attr: &Attribute) -> Result<Self> {
        const OPTIONS: &str = "the options of a parameter are `name = \"name\"` and `keyword`";
        let (mut name, mut keyword) = (None, None);
        if matches!(attr.meta, Meta::List(_)) {
            attr.parse_nested_meta(|meta| {
                if meta.path.is_ident("keyword") {
                    return once(&meta, &mut keyword, ());
                }
                if !meta.path.is_ident("name") {
                    return Err(meta.error(OPTIONS));
                }
                let value: LitStr = meta.value()?.parse()?;
                if value.value().is_empty() {
                    return Err(syn::Error::new(value.span(), "a name is not empty"));
                }
                once(&meta, &mut name, value)
            })?;
        }
        if name.is_none() && keyword.is_none() {
            return Err(syn::Error::new_spanned(attr, OPTIONS));
        }
        Ok(Self { name, keyword: keyword.is_some() })
    }
}

fn once<T>(meta: &ParseNestedMeta<'_>, option: &mut Option<T>, value: T) -> Result<()> {
    if option.replace(value).is_some() {
        return Err(meta.error("this option is given twice"));
    }
    Ok(())
}
