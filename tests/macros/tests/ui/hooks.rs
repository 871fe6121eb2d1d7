#![allow(unused)]

use aiomas::{agent, service};

struct Root;

#[service]
impl Root {
    #[on_start]
    fn start(&self) {}
}

struct Agent;

#[agent]
impl Agent {
    #[on_start]
    fn start(&self, when: i64) {}

    #[on_start]
    fn start_again(&self) {}

    #[expose]
    #[on_stop]
    fn stop(&self) {}
}

struct Counting;

#[agent]
impl Counting {
    #[on_stop]
    fn stop(&self) -> i64 {
        0
    }
}

fn main() {}
