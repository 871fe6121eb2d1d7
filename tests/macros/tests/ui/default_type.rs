#![allow(unused)]

use aiomas::service;

struct Root;

#[service]
impl Root {
    #[expose]
    fn join(&self, #[default = "-"] sep: String) {}
}

fn main() {}
