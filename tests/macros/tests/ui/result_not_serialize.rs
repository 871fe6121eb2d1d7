#![allow(unused)]

use aiomas::service;

struct Opaque;

struct Root;

#[service]
impl Root {
    #[expose]
    fn give(&self) -> Opaque {
        Opaque
    }

    #[expose]
    async fn give_later(&self) -> Result<Vec<Opaque>, String> {
        Ok(Vec::new())
    }
}

fn main() {}
