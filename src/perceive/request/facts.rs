//! What conditions of rules may ask of a request: its canonical form, and nothing else.

use std::borrow::Cow;

use http::{HeaderValue, Version};

use super::{Request, query};
use crate::model::condition::RequestFacts;
use crate::model::types::Scheme;

impl RequestFacts for Request<'_> {
    fn method(&self) -> &str {
        self.method.as_str()
    }

    fn path(&self) -> &str {
        &self.path
    }

    fn scheme(&self) -> &str {
        match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    fn protocol(&self) -> &str {
        match self.head.version {
            Version::HTTP_2 => "HTTP/2",
            Version::HTTP_10 => "HTTP/1.0",
            _ => "HTTP/1.1",
        }
    }

    fn content_length(&self) -> Option<u64> {
        self.content_length
    }

    fn headers(&self) -> Box<dyn Iterator<Item = (&str, &[u8])> + '_> {
        Box::new(
            self.head
                .headers
                .iter()
                .map(|(name, value): (_, &HeaderValue)| (name.as_str(), value.as_bytes())),
        )
    }

    fn query_bytes(&self) -> usize {
        self.query().map_or(0, str::len)
    }

    fn query(&self) -> Box<dyn Iterator<Item = (Cow<'_, str>, Option<Cow<'_, str>>)> + '_> {
        Box::new(query::texts(self.query().unwrap_or("")))
    }
}
