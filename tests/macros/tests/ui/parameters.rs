#![allow(unused)]

use std::collections::{BTreeMap, HashMap};

use aiomas::{Context, service};

struct Root;

#[service]
impl Root {
    #[expose]
    fn pattern(&self, (a, b): (i64, i64)) {}

    #[expose]
    fn unnamed(&self, _: i64) {}

    #[expose]
    fn order(&self, a: Option<i64>, b: i64) {}

    #[expose]
    fn args_first(&self, #[args] more: Vec<i64>, a: i64) {}

    #[expose]
    fn args_optional(&self, #[default = 1] a: i64, #[args] more: Vec<i64>) {}

    #[expose]
    fn kwargs_first(&self, #[kwargs] options: BTreeMap<String, i64>, #[args] more: Vec<i64>) {}

    #[expose]
    fn hashed(&self, #[kwargs] options: HashMap<String, i64>) {}

    #[expose]
    fn args_behind(&self, #[arg(keyword)] a: i64, #[args] more: Vec<i64>) {}

    #[expose]
    fn keyword_first(&self, #[arg(keyword)] a: i64, b: i64) {}

    #[expose]
    fn kwargs_last(&self, #[kwargs] options: BTreeMap<String, i64>, #[arg(keyword)] a: i64) {}

    #[expose]
    fn same_name(&self, value: i64, _value: i64) {}

    #[expose]
    fn same_given_name(&self, value: i64, #[arg(name = "value")] other: i64) {}

    #[expose]
    fn empty_name(&self, #[arg(name = "")] a: i64) {}

    #[expose]
    fn no_option(&self, #[arg] a: i64) {}

    #[expose]
    fn no_options(&self, #[arg()] a: i64) {}

    #[expose]
    fn unknown_option(&self, #[arg(keywords)] a: i64) {}

    #[expose]
    fn twice_an_option(&self, #[arg(keyword, keyword)] a: i64) {}

    #[expose]
    fn two_attributes(&self, #[arg(keyword)] #[arg(name = "b")] a: i64) {}

    #[expose]
    fn nameless(&self, #[arg(name = "more")] #[args] rest: Vec<i64>) {}

    #[expose]
    fn context_name(&self, #[context] #[arg(keyword)] context: &Context) {}

    #[expose]
    fn listed(&self, #[args] more: [i64; 2]) {}

    #[expose]
    fn twice(&self, #[default] #[args] more: Vec<i64>) {}

    #[expose]
    fn written(&self, #[default(1)] a: i64) {}

    #[expose]
    fn contexts(&self, #[context] a: &Context, #[context] b: Context) {}

    #[expose]
    fn exclusive(&self, #[context] context: &mut Context) {}

    #[expose]
    fn conditional(&self, #[cfg(unix)] a: i64) {}

    #[expose]
    fn many(&self, a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8, i: u8) {}
}

fn main() {}
