//! Parses an `impl` block into the model, and removes the attributes of these macros.

mod method;
mod parameter;
mod types;

use std::collections::HashMap;

use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, Ident, ImplItem, ImplItemFn, ItemImpl, LitStr, Type};

use crate::model::{Attributes, Errors, Hidden, Interface, Kind, Method};
use crate::options;

/// Parses a block. Returns `None` if no part of it can be parsed.
pub(crate) fn interface(item: &mut ItemImpl, kind: Kind, errors: &mut Errors) -> Option<Interface> {
    let ident = header(item, errors);
    let mut interface = Interface {
        ty: (*item.self_ty).clone(),
        ident: ident.clone().unwrap_or_else(|| Ident::new("Unknown", item.self_ty.span())),
        methods: Vec::new(),
        services: Vec::new(),
        hidden: Vec::new(),
        on_start: None,
        on_stop: None,
    };
    let mut names = Names::default();
    for item in &mut item.items {
        if let ImplItem::Fn(function) = item {
            add(&mut interface, function, kind, &mut names, errors);
        }
    }
    interface.hidden.retain(|hidden| !names.taken.contains_key(&hidden.name.value()));
    ident.map(|_| interface)
}

/// Checks that the block has a type's own methods, and returns its name.
fn header(item: &ItemImpl, errors: &mut Errors) -> Option<Ident> {
    if let Some((path, _)) = &item.trait_ {
        errors.at(path, "a trait's methods cannot be exposed: use a block `impl Type { .. }`");
        return None;
    }
    if !item.generics.params.is_empty() || item.generics.where_clause.is_some() {
        let message = "the type cannot be generic: name the types, `impl Type<i64> { .. }`";
        if item.generics.params.is_empty() {
            errors.at(&item.generics.where_clause, message);
        } else {
            errors.at(&item.generics, message);
        }
        return None;
    }
    match types::peel(&item.self_ty) {
        Type::Path(ty) => ty.path.segments.last().map(|segment| segment.ident.clone()),
        ty => {
            errors.at(ty, "only a struct or an enum can have exposed methods");
            None
        }
    }
}

/// The purpose of a method, from its attribute.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Expose,
    Service,
    OnStart,
    OnStop,
}

impl Purpose {
    fn of(attr: &Attribute) -> Option<Self> {
        // The attribute may have a path, such as `aiomas::expose`.
        let segments = &attr.path().segments;
        let name = segments.last()?.ident.to_string();
        match &*name {
            "expose" => Some(Self::Expose),
            "service" => Some(Self::Service),
            "on_start" if segments.len() == 1 => Some(Self::OnStart),
            "on_stop" if segments.len() == 1 => Some(Self::OnStop),
            _ => None,
        }
    }
}

fn add(
    interface: &mut Interface,
    function: &mut ImplItemFn,
    kind: Kind,
    names: &mut Names,
    errors: &mut Errors,
) {
    let mut purposes = take_purposes(function).into_iter();
    let Some((purpose, attr)) = purposes.next() else {
        if function.sig.receiver().is_some() {
            let name = wire_name(&function.sig.ident);
            interface.hidden.push(Hidden { name, attrs: Attributes::of(&function.attrs) });
        }
        return;
    };
    for (_, second) in purposes {
        errors.at(second, "a method is for one purpose only");
    }

    match purpose {
        Purpose::Expose | Purpose::Service => {
            let name = name_of(function, &attr, errors);
            names.take(&name, &function.attrs, errors);
            if purpose == Purpose::Expose {
                interface.methods.extend(method::exposed(function, name, errors));
            } else {
                interface.services.extend(method::nested(function, name, errors));
            }
        }
        Purpose::OnStart | Purpose::OnStop => {
            if kind == Kind::Service {
                errors.at(attr.path(), "only an agent is started and stopped: use `#[agent]`");
            }
            let attrs = Attributes::of(&function.attrs);
            interface.hidden.push(Hidden { name: wire_name(&function.sig.ident), attrs });
            let hook = method::hook(function, errors);
            let place = match purpose {
                Purpose::OnStart => &mut interface.on_start,
                _ => &mut interface.on_stop,
            };
            if place.is_some() {
                errors.at(attr.path(), "there is such a method already");
            }
            *place = hook;
        }
    }
}

/// Removes and returns the attributes that set the purpose of a method.
fn take_purposes(function: &mut ImplItemFn) -> Vec<(Purpose, Attribute)> {
    let mut purposes = Vec::new();
    function.attrs.retain(|attr| match Purpose::of(attr) {
        Some(purpose) => {
            purposes.push((purpose, attr.clone()));
            false
        }
        None => true,
    });
    purposes
}

/// Returns the name that callers know: that of the method, unless `attr` sets another.
fn name_of(function: &ImplItemFn, attr: &Attribute, errors: &mut Errors) -> LitStr {
    let given = errors.ok(options::wire_name(attr)).flatten();
    given.unwrap_or_else(|| wire_name(&function.sig.ident))
}

fn wire_name(ident: &Ident) -> LitStr {
    LitStr::new(&ident.unraw().to_string(), ident.span())
}

/// The names that callers know.
#[derive(Default)]
struct Names {
    /// `true` if another conditionally compiled method may take the name as well.
    taken: HashMap<String, bool>,
}

impl Names {
    fn take(&mut self, name: &LitStr, attrs: &[Attribute], errors: &mut Errors) {
        let conditional = attrs.iter().any(|attr| attr.path().is_ident("cfg"));
        if self.taken.insert(name.value(), conditional) == Some(false) && !conditional {
            errors.at(name, format_args!("the name `{}` is exposed twice", name.value()));
        }
    }
}

/// The functions that every mosaik simulator has.
const FUNCTIONS: [&str; 6] = ["init", "create", "setup_done", "step", "get_data", "stop"];

/// Takes the methods with `#[expose]` out of an `impl Simulator` block.
pub(crate) fn extra_methods(
    item: &mut ItemImpl,
    errors: &mut Errors,
) -> (Vec<Method>, Vec<ImplItem>) {
    let is_simulator =
        |path: &syn::Path| path.segments.last().is_some_and(|s| s.ident == "Simulator");
    if !item.trait_.as_ref().is_some_and(|(path, _)| is_simulator(path)) {
        errors.at(&item.self_ty, "`#[simulator]` stands above a block `impl Simulator for Type`");
    }
    let (mut methods, mut functions, mut names) = (Vec::new(), Vec::new(), Names::default());
    for each in std::mem::take(&mut item.items) {
        let ImplItem::Fn(mut function) = each else {
            item.items.push(each);
            continue;
        };
        let mut purposes = take_purposes(&mut function).into_iter();
        let Some((purpose, attr)) = purposes.next() else {
            item.items.push(ImplItem::Fn(function));
            continue;
        };
        for (_, second) in purposes {
            errors.at(second, "a method is for one purpose only");
        }
        if purpose != Purpose::Expose {
            errors.at(attr.path(), "a simulator has methods with `#[expose]` only");
            continue;
        }
        let name = name_of(&function, &attr, errors);
        if FUNCTIONS.contains(&&*name.value()) {
            errors.at(&name, "every simulator has a function of this name: mosaik calls that");
        }
        names.take(&name, &function.attrs, errors);
        methods.extend(method::exposed(&mut function, name, errors));
        functions.push(ImplItem::Fn(function));
    }
    (methods, functions)
}
