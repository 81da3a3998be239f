//! The small part of DER (X.690) that Signet writes and polices itself.

mod strict;
mod write;

pub(crate) use strict::read_tlv;
pub use strict::{DerError, Limits, check};
pub(crate) use write::{
    Writer, bit_string, context, context_primitive, generalized_time, header, integer, null, octet_string, oid,
    sequence, time, tlv,
};
