#![allow(unused)]

use aiomas::service;

struct One;

#[service(proxies = OneProxy)]
impl One {}

struct Two;

#[service(name = "Two", name = "Three")]
impl Two {}

fn main() {}
