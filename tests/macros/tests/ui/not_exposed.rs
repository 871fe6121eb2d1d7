#![allow(unused)]

use aiomas::service;

struct Root;

#[service]
impl Root {
    #[expose]
    fn add(&self, a: i64, b: i64) -> i64 {
        a + b
    }

    fn hidden(&self) {}
}

fn call(root: &RootProxy) {
    drop(root.add(1, 2));
    drop(root.hidden());
}

fn main() {}
