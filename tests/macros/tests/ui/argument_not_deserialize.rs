#![allow(unused)]

use aiomas::service;

struct Opaque;

struct Root;

#[service]
impl Root {
    #[expose]
    fn take(&self, number: i64, opaque: Opaque) {}

    #[expose]
    fn perhaps(&self, opaque: Option<Opaque>) {}

    #[expose]
    fn all(&self, #[args] opaque: Vec<Opaque>) {}
}

fn main() {}
