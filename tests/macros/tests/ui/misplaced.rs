#![allow(unused)]

use aiomas::{agent, expose, service};

struct Root;

impl Root {
    #[expose]
    fn add(&self) {}

    #[service]
    fn tools(&self) {}
}

#[agent]
struct Agent;

trait Named {
    fn name(&self) -> String;
}

#[service]
impl Named for Root {
    #[expose]
    fn name(&self) -> String {
        "root".to_owned()
    }
}

#[service]
impl dyn Named {}

fn main() {}
