#![allow(unused)]

use std::sync::Arc;

use aiomas::service;

struct Root;

#[service]
impl Root {
    #[expose]
    fn absent() {}

    #[expose]
    fn once(self) {}

    #[expose]
    fn counted(self: Arc<Self>) {}

    #[expose]
    unsafe fn dangerous(&self) {}
}

fn main() {}
