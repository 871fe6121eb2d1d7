#![allow(unused)]

use aiomas::{Context, service};

struct Root;

#[service]
impl Root {
    #[expose]
    fn who(&self, ctx: &Context) {}

    #[expose]
    fn where_from(&self, number: i64, ctx: &aiomas::Context) {}
}

fn main() {}
