#![allow(unused)]

use aiomas::service;

struct Mute;

struct Root;

#[service]
impl Root {
    #[expose]
    fn fail(&self) -> Result<i64, Mute> {
        Err(Mute)
    }
}

fn main() {}
