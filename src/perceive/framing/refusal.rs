//! Why the guards refuse: a catalogue of sentences, one for each thing that readers of HTTP/1 take differently.

use crate::model::types::{Denial, Reason};

macro_rules! refusals {
    ($($name:ident = $sentence:literal;)*) => {
        /// Why bytes are not passed on. Each has one sentence for the agent.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Refusal {
            $(#[doc = $sentence] $name,)*
        }

        impl Refusal {
            /// Every refusal.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// What is wrong, in one sentence for the agent.
            pub fn sentence(self) -> &'static str {
                match self { $(Self::$name => $sentence,)* }
            }
        }
    };
}

refusals! {
    BareLineFeed = "A line ends with a bare line feed instead of CR LF.";
    Control = "A line holds a carriage return, NUL or another control character.";
    EmptyLines = "More than one empty line stands in front of a request.";
    RequestLine = "The first line is not `METHOD target HTTP/1.1` with single spaces.";
    Method = "The method is not made of capital letters, digits and hyphens, or is too long.";
    Target = "The request target holds a character that must be percent-encoded.";
    TargetForm = "The request target is neither a path nor an absolute URL of the scheme http or https.";
    Asterisk = "The request target `*` goes with OPTIONS alone.";
    Connect = "CONNECT leads on to a host that is not judged here.";
    Rtsp = "The method belongs to RTSP, which is another protocol with lines like those of HTTP.";
    Version = "The version is not HTTP/1.0 or HTTP/1.1.";
    FieldName = "A field line has no name of valid characters directly in front of a colon.";
    Underscore = "A field is named like one that frames the message, with an underscore for its hyphen.";
    Folded = "A field line begins with a space, which continued the line before it in old HTTP.";
    HostMissing = "The request has no Host.";
    HostRepeated = "The request has more than one Host.";
    HostInvalid = "The Host is not one valid host with an optional port.";
    HostDisagrees = "The absolute URL of the request and its Host name different hosts or ports.";
    Userinfo = "The authority carries user information in front of the host.";
    BothLengths = "Content-Length and Transfer-Encoding stand in one message.";
    ContentLength = "The Content-Length is not a plain decimal number, or is too large.";
    ContentLengthRepeated = "The Content-Length is given more than once.";
    TransferEncoding = "The Transfer-Encoding is not exactly one `chunked`.";
    TransferEncodingOld = "HTTP/1.0 has no Transfer-Encoding.";
    Expect = "The Expect field asks for something other than `100-continue`.";
    Connection = "The Connection field is not a short list of options.";
    LineTooLong = "A line is longer than the gateway allows.";
    Incomplete = "The connection ended in the middle of the request.";
    HeadTooSlow = "The head was not finished in time.";
    BodyTooSlow = "The body did not go on in time.";
    HeadTooLarge = "The head is larger than the gateway allows.";
    TooManyFields = "The head or trailer has more fields than the gateway allows.";
    ChunkSize = "A chunk size is not a plain hexadecimal number.";
    ChunkExtension = "A chunk extension is malformed, or all of them are too long.";
    ChunkEnd = "A chunk does not end with CR LF where its size says.";
    TrailerTooLarge = "The trailer section is larger than the gateway allows.";
    TrailerField = "A trailer holds a field that belongs in the head.";
    StatusLine = "The first line is not `HTTP/1.1 status reason`.";
    Status = "The status is not a number from 100 to 999.";
    Unasked = "Bytes arrived that no request asked for.";
    SwitchUnasked = "The answer switches protocols without being asked.";
    InterimAnswers = "More interim answers stand in front of the answer than the gateway allows.";
    BodyForbidden = "The answer announces a body where its status allows none.";
}

impl Refusal {
    /// As the decision on a request.
    pub fn denial(self) -> Denial {
        let sentence = self.sentence();
        let (reason, hint) = match self {
            Self::Expect => (Reason::ProtocolExpectation, "Send it again without that field."),
            Self::Connect => (Reason::ProtocolConnect, "Connect to that host itself."),
            Self::Incomplete => (Reason::ProtocolMalformed, "Send it again whole."),
            Self::HeadTooSlow => (Reason::ProtocolMalformed, "Send it again at once."),
            _ => (Reason::ProtocolMalformed, "Send it again in strict HTTP/1.1."),
        };
        Denial::built_in(reason, format!("{sentence} The destination has not got this request whole. {hint}"))
            .seen(format!("http/1 guard: {self:?}"))
    }

    /// As the decision on the answer to a request that was sent.
    pub fn answer_denial(self) -> Denial {
        let (reason, detail) = match self {
            Self::HeadTooSlow => {
                (Reason::UpstreamTimeout, "The destination began to answer and did not go on.".to_owned())
            }
            other => {
                let sentence = other.sentence();
                (Reason::UpstreamMalformed, format!("The destination's answer cannot be trusted. {sentence}"))
            }
        };
        Denial::built_in(reason, detail).seen(format!("http/1 answer guard: {self:?}"))
    }
}
