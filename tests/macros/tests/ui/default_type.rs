#![allow(unused)]

use aiomas_core::service;

struct Root;

#[service]
impl Root {
    #[expose]
    fn join(&self, #[default = "-"] sep: String) {}
}

fn main() {}
