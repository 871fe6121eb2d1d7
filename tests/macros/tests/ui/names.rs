#![allow(unused)]

use aiomas::service;

struct Tools;

#[service]
impl Tools {}

struct Root;

#[service]
impl Root {
    #[expose]
    fn add(&self) {}

    #[expose(name = "add")]
    fn add_more(&self) {}

    #[service(name = "add")]
    fn tools(&self) -> Tools {
        Tools
    }

    #[expose(name = "a/b")]
    fn nested(&self) {}

    #[expose(named = "c")]
    fn named(&self) {}
}

fn main() {}
