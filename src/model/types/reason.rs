//! The catalogue of reason codes: one line each for the code, its HTTP status, its title and whether to retry.
//!
//! A code is added here and nowhere else; every face of the product (HTTP, DNS, records, CLI) reads this table.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Whether the same request can succeed later (the `retry` member of a denial).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Retry {
    /// The same request will be refused again.
    Never,
    /// The cause passes by itself.
    Later,
    /// An operator can allow it.
    AfterApproval,
}

impl Retry {
    /// The word in denials: `never`, `later`, `after-approval`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Later => "later",
            Self::AfterApproval => "after-approval",
        }
    }
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $status:literal, $retry:ident, $title:literal;)*) => {
        /// Why something was refused, as programs read it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Reason {
            $($(#[$doc])* #[serde(rename = $code)] $name,)*
        }

        impl Reason {
            /// Every code, in the order of the catalogue.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The code, such as `policy.no-route`.
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The reason of this code.
            pub fn parse(code: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|reason| reason.code() == code)
            }

            /// The HTTP status where there is HTTP.
            pub fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// Whether trying again can help.
            pub fn retry(self) -> Retry {
                match self { $(Self::$name => Retry::$retry,)* }
            }

            /// The short human title (RFC 9457 `title`).
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }
        }
    };
}

reasons! {
    /// No Agent has this source address.
    IdentityUnknown = "identity.unknown", 403, AfterApproval, "Unknown source";
    /// What the network shows of the sender contradicts the source address.
    IdentityInvalid = "identity.invalid", 403, Never, "Identity is not valid";
    /// An operator or a rule has shut the agent out for a time.
    IdentityQuarantined = "identity.quarantined", 403, Later, "Agent is quarantined";
    /// No route allows the destination or the request.
    PolicyNoRoute = "policy.no-route", 403, AfterApproval, "Not allowed by policy";
    /// A policy denies it by name.
    PolicyDenied = "policy.denied", 403, Never, "Denied by policy";
    /// The condition of a rule could not be evaluated.
    PolicyUnevaluable = "policy.unevaluable", 403, Never, "Policy could not be evaluated";
    /// A policy wants an operator's leave for this call of a tool.
    ApprovalRequired = "approval.required", 403, AfterApproval, "Approval required";
    /// A route names the host and the endpoint, and none of them the model.
    AiModel = "ai.model", 403, Never, "Model not allowed";
    /// What a provider says of how safe question and answer are is worse than a policy lets through, or is missing.
    AiSafety = "ai.safety", 403, Never, "Answer is not safe";
    /// No document declares this MCP server for the agent.
    McpServer = "mcp.server", 403, Never, "MCP server not allowed";
    /// The tool may not be called.
    McpTool = "mcp.tool", 403, Never, "Tool not allowed";
    /// Something was found in it that may not go where it goes.
    DlpBlocked = "dlp.blocked", 403, Never, "Content may not leave";
    /// It has to be inspected, and cannot be.
    DlpUnscannable = "dlp.unscannable", 403, Never, "Content cannot be inspected";
    /// DNS name, SNI, certificate and Host do not agree.
    NameMismatch = "name.mismatch", 421, Never, "Names do not agree";
    /// The claimed name could not be confirmed by the gateway's own resolver.
    NameUnverified = "name.unverified", 421, Later, "Name not confirmed";
    /// The address is private, of a carrier's NAT, loopback, link-local, multicast, reserved or this gateway's own.
    DestinationPrivate = "destination.private", 403, AfterApproval, "Destination is not public";
    /// The address is a cloud metadata service.
    DestinationMetadata = "destination.metadata", 403, Never, "Destination is a metadata service";
    /// No route of this agent names the host, so its name is not looked up.
    DnsDenied = "dns.denied", 403, AfterApproval, "Name lookup not allowed";
    /// Data seems to be hidden in the names that are looked up.
    DnsTunnel = "dns.tunnel", 403, Later, "Names that look like a tunnel";
    /// The destination could not be reached.
    UpstreamUnreachable = "upstream.unreachable", 502, Later, "Destination not reachable";
    /// The destination accepted the connection and then failed to answer properly.
    UpstreamFailed = "upstream.failed", 502, Later, "Destination failed";
    /// The destination's answer is malformed or ambiguous: readers would disagree on where it ends.
    UpstreamMalformed = "upstream.malformed", 502, Never, "Destination's answer is malformed";
    /// The destination did not answer in time.
    UpstreamTimeout = "upstream.timeout", 504, Later, "Destination did not answer in time";
    /// The destination's certificate cannot be trusted.
    TlsUntrustedUpstream = "tls.untrusted-upstream", 502, Never, "Destination's certificate is not trusted";
    /// A TLS connection without a server name where a name is needed.
    TlsNoName = "tls.no-name", 403, Never, "TLS without a server name";
    /// Encrypted ClientHello where the name in the open decides.
    TlsEch = "tls.ech", 403, Never, "Encrypted ClientHello is not allowed";
    /// The client broke the TLS handshake off, or offers nothing this gateway speaks.
    TlsHandshake = "tls.handshake", 400, Later, "TLS handshake failed";
    /// The gateway's own certificate authority has expired, and signs nothing.
    TlsAuthority = "tls.authority", 503, Later, "Gateway's authority has expired";
    /// Bytes that are not what they claim to be.
    ProtocolMalformed = "protocol.malformed", 400, Never, "Malformed or ambiguous message";
    /// More in one body than is read before it is decided on.
    ProtocolTooLarge = "protocol.too-large", 413, Never, "Request is too large to be judged";
    /// More frames or resets than anybody needs who wants an answer.
    ProtocolFlood = "protocol.flood", 429, Later, "Too many messages without a purpose";
    /// An `Expect` field with anything but `100-continue` (RFC 9110, section 10.1.1).
    ProtocolExpectation = "protocol.expectation", 417, Never, "Expectation cannot be met";
    /// A connection that was closed before anything was said on it: a port probe, or the loser of two attempts.
    ProtocolUnspoken = "protocol.unspoken", 400, Never, "Nothing was said";
    /// UDP to port 443: QUIC, which is refused so that clients fall back to TCP.
    ProtocolQuic = "protocol.quic", 403, Never, "QUIC is not allowed";
    /// DNS over TLS, HTTPS or QUIC: queries that the gateway could not judge.
    ProtocolEncryptedDns = "protocol.encrypted-dns", 403, Never, "Encrypted DNS is not allowed";
    /// CONNECT: a way through an allowed host to another.
    ProtocolConnect = "protocol.connect", 403, Never, "CONNECT is not allowed";
    /// Something other than TLS on the port of TLS.
    ProtocolNotTls = "protocol.not-tls", 403, Never, "Not TLS on the port of TLS";
    /// ICMP that belongs to no flow: echo requests, timestamps, redirects.
    ProtocolIcmp = "protocol.icmp", 403, Never, "ICMP is not allowed";
    /// An IP protocol besides TCP, UDP and ICMP: SCTP, GRE, ESP, IP in IP.
    ProtocolOther = "protocol.other", 403, Never, "Protocol is not allowed";
    /// A packet in pieces, of anything but UDP that policy allows.
    ProtocolFragment = "protocol.fragment", 403, Never, "Fragments are not allowed";
    /// IPv4 options, or IPv6 extension headers that steer the packet.
    ProtocolExtension = "protocol.extension", 403, Never, "Packet options are not allowed";
    /// More requests than the agent may send in this time.
    QuotaRequests = "quota.requests", 429, Later, "Too many requests";
    /// More tokens than a request may ask for, or than are left.
    QuotaTokens = "quota.tokens", 429, Later, "Token limit reached";
    /// A budget has no more money for this.
    QuotaCost = "quota.cost", 429, Later, "Out of money";
    /// A budget has no more bytes for this.
    QuotaBytes = "quota.bytes", 429, Later, "Out of bytes";
    /// A budget holds for what cannot be counted.
    QuotaUnavailable = "quota.unavailable", 503, Later, "Usage cannot be counted";
    /// An operator's command that cannot be done as it was given; nothing was changed.
    AdminRefused = "admin.refused", 400, Never, "Command refused";
    /// A credential that a policy puts into the request cannot be had, or would go where no name was proven.
    CredentialUnavailable = "credential.unavailable", 503, Later, "Credential not available";
    /// The decision could not be recorded.
    AuditUnavailable = "audit.unavailable", 503, Later, "Decision could not be recorded";
    /// A bound of the gateway is reached.
    Overload = "overload", 503, Later, "Gateway is at its limit";
    /// The gateway failed; nothing was allowed.
    Internal = "internal", 500, Later, "Gateway failure";
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}
