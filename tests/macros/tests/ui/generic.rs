#![allow(unused)]

use aiomas::service;

struct Root;

#[service]
impl Root {
    #[expose]
    fn with<T: Clone>(&self, value: T) {}

    #[expose]
    fn borrowed<'a>(&'a self) {}

    #[expose]
    fn opaque(&self, value: impl Into<String>) {}

    #[expose]
    fn iterate(&self) -> impl Iterator<Item = i64> {
        std::iter::empty()
    }
}

struct Typed<T>(T);

#[service]
impl<T: Send + Sync + 'static> Typed<T> {
    #[expose]
    fn get(&self) {}
}

fn main() {}
