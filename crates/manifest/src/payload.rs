//! The JSON that operators give to create, update, receive and reprovision.

use crate::fields::object_type;

object_type! {
    /// A payload. It keeps every key, known or not, in the order given.
    Payload
}
