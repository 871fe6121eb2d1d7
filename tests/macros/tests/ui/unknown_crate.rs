#![allow(unused)]

use aiomas::service;

struct Root;

#[service(crate = elsewhere::aiomas)]
impl Root {}

fn main() {}
