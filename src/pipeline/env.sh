# Makes the programs of this shell trust the gateway:  eval "$(curl -fsS http://clawgress.internal/env.sh)"
clawgress_dir="${CLAWGRESS_DIR:-$HOME/.clawgress}"
clawgress_ca='@CA@'
mkdir -p "$clawgress_dir"
# Other shells may be reading these files, so each is replaced in one step.
clawgress_keep() { cat > "$clawgress_dir/.$1.$$" && mv -f "$clawgress_dir/.$1.$$" "$clawgress_dir/$1"; }
if [ "$(cat "$clawgress_dir/ca.pem" 2>/dev/null)" != "$clawgress_ca" ]; then
    rm -f "$clawgress_dir/java.store"
    printf '%s\n' "$clawgress_ca" | clawgress_keep ca.pem
fi

# Most runtimes replace the system's authorities by the file that they are told. Connections that the gateway passes
# through show the certificates of their own hosts, so that file holds the system's authorities too.
for clawgress_system in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/ca-bundle.pem \
    /etc/ssl/cert.pem /dev/null; do
    if [ -r "$clawgress_system" ]; then break; fi
done
{ cat "$clawgress_system" && printf '%s\n' "$clawgress_ca"; } | clawgress_keep bundle.pem
export SSL_CERT_FILE="$clawgress_dir/bundle.pem"
export CURL_CA_BUNDLE="$clawgress_dir/bundle.pem"
export GIT_SSL_CAINFO="$clawgress_dir/bundle.pem"
export REQUESTS_CA_BUNDLE="$clawgress_dir/bundle.pem"
export PIP_CERT="$clawgress_dir/bundle.pem"
export CARGO_HTTP_CAINFO="$clawgress_dir/bundle.pem"
export npm_config_cafile="$clawgress_dir/bundle.pem"
export AWS_CA_BUNDLE="$clawgress_dir/bundle.pem"
export CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE="$clawgress_dir/bundle.pem"
export GRPC_DEFAULT_SSL_ROOTS_FILE_PATH="$clawgress_dir/bundle.pem"

# These add to the authorities that the runtime brings.
export NODE_EXTRA_CA_CERTS="$clawgress_dir/ca.pem"
export DENO_CERT="$clawgress_dir/ca.pem"

# Java reads no PEM: it gets a copy of its own store with the gateway in it, made once.
clawgress_keytool="$(command -v "${JAVA_HOME:+$JAVA_HOME/bin/}keytool")" || clawgress_keytool=
if [ -n "$clawgress_keytool" ] && [ ! -f "$clawgress_dir/java.store" ]; then
    clawgress_java="$(dirname "$(dirname "$(readlink -f "$clawgress_keytool")")")"
    clawgress_keep "java.$$" < "$clawgress_java/lib/security/cacerts"
    # It takes one certificate at a time; in a rotation there are two.
    clawgress_count="$(grep -c -e '-----BEGIN CERTIFICATE-----' "$clawgress_dir/ca.pem")"
    while [ "$clawgress_count" -gt 0 ]; do
        awk -v wanted="$clawgress_count" '/-----BEGIN CERTIFICATE-----/ {n++} n == wanted' "$clawgress_dir/ca.pem" \
            | "$clawgress_keytool" -importcert -noprompt -alias "clawgress-$clawgress_count" \
                -keystore "$clawgress_dir/java.$$" -storepass changeit > /dev/null 2>&1 \
            || clawgress_count=-1
        clawgress_count=$((clawgress_count - 1))
    done
    if [ "$clawgress_count" -eq 0 ]; then
        mv -f "$clawgress_dir/java.$$" "$clawgress_dir/java.store"
    fi
fi
case "${JAVA_TOOL_OPTIONS:-}" in
*"$clawgress_dir/java.store"*) ;;
*)
    if [ -f "$clawgress_dir/java.store" ]; then
        clawgress_java="-Djavax.net.ssl.trustStore=$clawgress_dir/java.store -Djavax.net.ssl.trustStorePassword=changeit"
        export JAVA_TOOL_OPTIONS="${JAVA_TOOL_OPTIONS:+$JAVA_TOOL_OPTIONS }$clawgress_java"
    fi
    ;;
esac
unset clawgress_dir clawgress_ca clawgress_system clawgress_keytool clawgress_java clawgress_count
unset -f clawgress_keep
