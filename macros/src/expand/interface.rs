//! Generates the code that decodes arguments, calls the method and encodes its result.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};

use syn::{LitByteStr, LitStr};

use super::{Names, own};
use crate::model::{Interface, Method, Parameter, Receiver, Role, site};

/// Generates `impl Interface for Type`.
pub(super) fn implementation(interface: &Interface, names: &Names) -> TokenStream {
    let Names { k, ty: type_name, proxy, .. } = names;
    let Interface { ty, methods, hidden, services, .. } = interface;

    let exposed = methods.iter().map(|exposed| {
        let (name, cfg) = (bytes(&exposed.name), &exposed.attrs.cfg);
        let method = method(exposed, k, Answer::Result);
        quote!(#(#cfg)* #name => #method,)
    });
    let hidden = hidden.iter().map(|hidden| {
        let (name, cfg) = (bytes(&hidden.name), &hidden.attrs.cfg);
        quote!(#(#cfg)* #name => #k::Method::<Self>::Hidden,)
    });
    let services = (!services.is_empty()).then(|| {
        let each = services.iter().map(|service| {
            let (ident, name, cfg) = (&service.ident, &service.name, &service.attrs.cfg);
            // The compiler reports a missing `IntoService` at the type.
            let service = quote_spanned! {site(&service.ty)=>
                #k::IntoService::into_service(Self::#ident(self))
            };
            quote!(#(#cfg)* (#name, #service))
        });
        quote_spanned! {own()=>
            fn services(&self) -> ::std::vec::Vec<(&'static str, #k::SharedService)> {
                ::std::vec::Vec::from([#(#each),*])
            }
        }
    });
    let hook = |name: TokenStream, hook: &Option<Method>| {
        hook.as_ref().map(|hook| {
            let (method, cfg) = (method(hook, k, Answer::Nothing), &hook.attrs.cfg);
            quote! {
                #(#cfg)*
                fn #name() -> ::std::option::Option<#k::Method<Self>> {
                    ::std::option::Option::Some(#method)
                }
            }
        })
    };
    let on_start = hook(quote!(on_start), &interface.on_start);
    let on_stop = hook(quote!(on_stop), &interface.on_stop);

    let table = if methods.is_empty() && interface.hidden.is_empty() {
        quote_spanned!(own()=> let _ = name; ::std::option::Option::None)
    } else {
        quote_spanned! {own()=>
            ::std::option::Option::Some(match name {
                #(#exposed)*
                #(#hidden)*
                _ => return ::std::option::Option::None,
            })
        }
    };

    // The compiler reports unmet requirements of `Interface` at the type.
    let header = quote_spanned!(site(ty)=> impl #k::Interface for #ty);
    quote_spanned! {own()=>
        #[automatically_derived]
        #header {
            const TYPE_NAME: &'static str = #type_name;

            type Proxy = #proxy;

            fn method(name: &[u8]) -> ::std::option::Option<#k::Method<Self>> {
                #table
            }

            #services
            #on_start
            #on_stop
        }
    }
}

/// Returns the name as bytes, which the dispatch compares without decoding.
fn bytes(name: &LitStr) -> LitByteStr {
    LitByteStr::new(name.value().as_bytes(), name.span())
}

/// Generates `impl Agent for Type`.
pub(super) fn agent(interface: &Interface, names: &Names) -> TokenStream {
    let (Names { k, proxy, .. }, ty) = (names, &interface.ty);
    quote_spanned! {own()=>
        #[automatically_derived]
        impl #k::Agent for #ty {
            type Proxy = #proxy;

            fn type_name(&self) -> &str {
                <Self as #k::Interface>::TYPE_NAME
            }

            #[doc(hidden)]
            fn into_resident(
                self,
                me: ::std::sync::Arc<#k::AgentHandle>,
            ) -> ::std::sync::Arc<dyn #k::HostedAgent> {
                #k::host_agent(self, me)
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// The return value of the method.
    Result,
    /// Only the end of the method, which has no arguments either.
    Nothing,
}

/// Generates the method as a value.
///
/// A closure without captures is a function pointer, and `Self` means the same in it as in the block.
fn method(method: &Method, k: &TokenStream, answer: Answer) -> TokenStream {
    let bind = (answer == Answer::Result).then(|| bind(method, k));
    let context = method
        .parameters
        .iter()
        .find(|parameter| parameter.is_context())
        .map(|context| quote_spanned!(site(&context.ty)=> let context = invocation.context();));
    let (ident, span) = (&method.ident, method.output.span);
    let arguments: Vec<_> = method.parameters.iter().map(argument).collect();
    let at = site(ident);

    if !method.is_async {
        let encoder = quote_spanned!(span=> invocation);
        let call = quote_spanned!(at=> Self::#ident(this, #(#arguments),*));
        let answer = encode(method, k, answer, &encoder, &call);
        let variant = match method.receiver {
            Receiver::Shared => quote!(Shared),
            Receiver::Exclusive => quote!(Exclusive),
        };
        return quote_spanned! {at=>
            #k::Method::<Self>::#variant(|this, invocation| {
                #bind
                #context
                #answer
            })
        };
    }

    let (variant, this, borrowed) = match method.receiver {
        Receiver::Shared => {
            (quote!(SharedAsync), quote_spanned!(at=> this), quote_spanned!(at=> &this))
        }
        Receiver::Exclusive => {
            (quote!(ExclusiveAsync), quote_spanned!(at=> mut this), quote_spanned!(at=> &mut this))
        }
    };
    let encoder = quote_spanned!(span=> encoder);
    let call = quote_spanned!(at=> Self::#ident(#borrowed, #(#arguments),*).await);
    let answer = encode(method, k, answer, &encoder, &call);
    quote_spanned! {at=>
        #k::Method::<Self>::#variant(|#this, invocation| {
            #bind
            #context
            let encoder = invocation.encoder();
            ::std::result::Result::Ok(::std::boxed::Box::pin(async move { #answer }))
        })
    }
}

/// Generates the binding of the arguments to variables named like the parameters.
pub(super) fn bind(method: &Method, k: &TokenStream) -> TokenStream {
    let name = &method.name;
    let bound = || method.parameters.iter().filter(|parameter| parameter.role.is_bound());
    let parameters = bound().map(|parameter| {
        let name = &parameter.name;
        if parameter.is_optional() {
            quote!(#k::Parameter::optional(#name))
        } else {
            quote!(#k::Parameter::required(#name))
        }
    });
    let has = |role: fn(&Role) -> bool| method.parameters.iter().any(|p| role(&p.role));
    let args = has(|role| matches!(role, Role::Args(_))).then(|| quote!(.with_args()));
    let kwargs = has(|role| matches!(role, Role::Kwargs(_))).then(|| quote!(.with_kwargs()));
    let keyword = bound().position(|parameter| parameter.keyword);
    let keyword = keyword.map(|index| quote!(.keyword_only_from(#index)));
    let signature = quote_spanned! {own()=>
        const SIGNATURE: #k::Signature<'static> =
            #k::Signature::new(#name, &[#(#parameters),*]) #keyword #args #kwargs;
    };
    if method.parameters.iter().all(Parameter::is_context) {
        return quote_spanned!(own()=> #signature invocation.bind(&SIGNATURE)?;);
    }
    let mut index = 0usize;
    let variables = method.parameters.iter().map(|parameter| {
        let variable = variable(parameter, index);
        index += usize::from(parameter.role.is_bound());
        variable
    });
    quote_spanned! {own()=>
        #signature
        let bound = invocation.bind(&SIGNATURE)?;
        #(#variables)*
    }
}

/// Generates the decoding of one argument.
///
/// All tokens have the span of the type, where the compiler then reports that it cannot be decoded.
fn variable(parameter: &Parameter, index: usize) -> TokenStream {
    let Parameter { ident, ty, role, .. } = parameter;
    let at = site(ty);
    let value = match role {
        Role::Required | Role::Optional(_) => quote_spanned!(at=> bound.required::<#ty>(#index)?),
        Role::Default(None) => {
            quote_spanned!(at=> bound.optional::<#ty>(#index)?.unwrap_or_default())
        }
        Role::Default(Some(default)) => quote_spanned! {at=>
            match bound.optional::<#ty>(#index)? {
                ::std::option::Option::Some(value) => value,
                ::std::option::Option::None => #default,
            }
        },
        Role::Args(item) => quote_spanned!(at=> bound.args::<#item>()?),
        Role::Kwargs(value) => quote_spanned! {at=>
            bound.kwargs::<#value>()?
                .into_iter()
                .map(|(name, value)| (name.into_owned(), value))
                .collect::<#ty>()
        },
        Role::Context { .. } => return TokenStream::new(),
    };
    quote_spanned!(at=> let #ident: #ty = #value;)
}

pub(super) fn argument(parameter: &Parameter) -> TokenStream {
    let ident = &parameter.ident;
    match parameter.role {
        Role::Context { by_ref: true } => quote_spanned!(site(&parameter.ty)=> &context),
        Role::Context { by_ref: false } => quote_spanned!(site(&parameter.ty)=> context),
        _ => quote!(#ident),
    }
}

/// Generates the encoding of the result, with the span of the type for errors.
pub(super) fn encode(
    method: &Method,
    k: &TokenStream,
    answer: Answer,
    encoder: &TokenStream,
    call: &TokenStream,
) -> TokenStream {
    let span = method.output.span;
    let nothing = answer == Answer::Nothing;
    let (value, encoded) = if nothing {
        (quote_spanned!(span=> ()), quote_spanned!(span=> #encoder.encode(&())))
    } else {
        (quote_spanned!(span=> value), quote_spanned!(span=> #encoder.encode(&value)))
    };
    if !method.output.is_result {
        return quote_spanned! {span=>
            let #value = #call;
            #encoded
        };
    }
    quote_spanned! {span=>
        match #call {
            ::std::result::Result::Ok(#value) => #encoded,
            ::std::result::Result::Err(error) => {
                #[allow(unused_imports)]
                use #k::{CausesOfAny as _, CausesOfError as _, NoCauses as _};
                let causes = (&&&#k::Causes(&error)).causes();
                ::std::result::Result::Err(#k::caused(#k::failure(error), causes))
            }
        }
    }
}
