#![allow(unused)]

use aiomas::service;

struct Plain;

struct Root;

#[service]
impl Root {
    #[service]
    fn plain(&self) -> Plain {
        Plain
    }
}

struct Other;

#[service]
impl Other {
    #[service]
    async fn later(&self) -> Root {
        Root
    }

    #[service]
    fn exclusive(&mut self) -> Root {
        Root
    }

    #[service]
    fn chosen(&self, which: i64) -> Root {
        Root
    }

    #[service]
    fn nothing(&self) {}

    #[service]
    fn borrowed(&self) -> &Root {
        &Root
    }
}

fn main() {}
