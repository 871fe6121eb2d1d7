//! The `Compound` traits of serde's serializers, which all formats implement alike.

/// Implements serde's seven compound traits on the methods `element`, `key`, `value`, `field` and `finish`.
macro_rules! compound_traits {
    ($compound:ident) => {
        compound_traits! { @sequence $compound SerializeSeq serialize_element }
        compound_traits! { @sequence $compound SerializeTuple serialize_element }
        compound_traits! { @sequence $compound SerializeTupleStruct serialize_field }
        compound_traits! { @sequence $compound SerializeTupleVariant serialize_field }
        compound_traits! { @struct $compound SerializeStruct }
        compound_traits! { @struct $compound SerializeStructVariant }

        impl serde::ser::SerializeMap for $compound<'_, '_> {
            type Ok = ();
            type Error = CodecError;

            #[inline]
            fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), CodecError> {
                self.key(key)
            }

            #[inline]
            fn serialize_value<T: Serialize + ?Sized>(
                &mut self,
                value: &T,
            ) -> Result<(), CodecError> {
                self.value(value)
            }

            #[inline]
            fn end(self) -> Result<(), CodecError> {
                self.finish()
            }
        }
    };
    (@sequence $compound:ident $trait:ident $method:ident) => {
        impl serde::ser::$trait for $compound<'_, '_> {
            type Ok = ();
            type Error = CodecError;

            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CodecError> {
                self.element(value)
            }

            #[inline]
            fn end(self) -> Result<(), CodecError> {
                self.finish()
            }
        }
    };
    (@struct $compound:ident $trait:ident) => {
        impl serde::ser::$trait for $compound<'_, '_> {
            type Ok = ();
            type Error = CodecError;

            #[inline]
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Result<(), CodecError> {
                self.field(key, value)
            }

            #[inline]
            fn end(self) -> Result<(), CodecError> {
                self.finish()
            }
        }
    };
}

pub(super) use compound_traits;
