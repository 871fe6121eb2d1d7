#![allow(unused)]

use std::rc::Rc;

use aiomas::service;

struct Local(Rc<i64>);

#[service]
impl Local {
    #[expose]
    fn get(&self) -> i64 {
        *self.0
    }
}

struct Root;

#[service]
impl Root {
    #[expose]
    async fn wait(&self) {
        let local = Rc::new(1);
        std::future::ready(()).await;
        drop(local);
    }
}

fn main() {}
