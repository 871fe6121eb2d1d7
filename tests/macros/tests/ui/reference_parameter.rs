#![allow(unused)]

use aiomas::service;

struct Root;

#[service]
impl Root {
    #[expose]
    fn greet(&self, name: &str) {}

    #[expose]
    fn perhaps(&self, name: Option<&'static str>) {}

    #[expose]
    fn find(&self) -> Option<&str> {
        None
    }
}

fn main() {}
