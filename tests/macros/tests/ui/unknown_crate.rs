#![allow(unused)]

use aiomas_core::service;

struct Root;

#[service(crate = elsewhere::aiomas)]
impl Root {}

fn main() {}
