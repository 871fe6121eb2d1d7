#![allow(unused)]

use aiomas_core::{Context, service};

struct Root;

#[service]
impl Root {
    #[expose]
    fn who(&self, ctx: &Context) {}

    #[expose]
    fn where_from(&self, number: i64, ctx: &aiomas_core::Context) {}
}

fn main() {}
