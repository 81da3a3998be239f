//! `signet-bench`: measures the service, and puts the same load on any other CA.
#![forbid(unsafe_code)]

fn main() {}
