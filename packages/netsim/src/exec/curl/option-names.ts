/** Options that are emulated: the name or letter that each stands for, with `:` where it takes a value. */
export const longOptions: Readonly<Record<string, string>> = {
  basic: 'basic',
  cacert: 'cacert:',
  compressed: 'compressed',
  'connect-timeout': 'connect-timeout:',
  'connect-to': 'connect-to:',
  cookie: 'b:',
  'cookie-jar': 'c:',
  'create-dirs': 'create-dirs',
  data: 'd:',
  'data-ascii': 'd:',
  'data-binary': 'data-binary:',
  'data-raw': 'data-raw:',
  'data-urlencode': 'data-urlencode:',
  disable: 'q',
  'dump-header': 'D:',
  fail: 'f',
  'fail-with-body': 'fail-with-body',
  get: 'G',
  globoff: 'g',
  head: 'I',
  header: 'H:',
  'http1.0': '0',
  'http1.1': 'http1.1',
  include: 'i',
  insecure: 'k',
  interface: 'interface:',
  ipv4: '4',
  ipv6: '6',
  json: 'json:',
  'junk-session-cookies': 'j',
  'keepalive-time': 'keepalive-time:',
  location: 'L',
  'location-trusted': 'location-trusted',
  'max-redirs': 'max-redirs:',
  'max-time': 'm:',
  'no-buffer': 'N',
  'no-keepalive': 'no-keepalive',
  'no-progress-meter': 'no-progress-meter',
  noproxy: 'noproxy:',
  output: 'o:',
  'output-dir': 'output-dir:',
  'path-as-is': 'path-as-is',
  'progress-bar': '#',
  range: 'r:',
  referer: 'e:',
  'remote-name': 'O',
  'remote-time': 'R',
  request: 'X:',
  'request-target': 'request-target:',
  resolve: 'resolve:',
  retry: 'retry:',
  'retry-all-errors': 'retry-all-errors',
  'retry-connrefused': 'retry-connrefused',
  'retry-delay': 'retry-delay:',
  'retry-max-time': 'retry-max-time:',
  'show-error': 'S',
  silent: 's',
  'styled-output': 'styled-output',
  'tcp-nodelay': 'tcp-nodelay',
  tlsv1: '1',
  'tlsv1.0': 'tlsv1.0',
  'tlsv1.1': 'tlsv1.1',
  'tlsv1.2': 'tlsv1.2',
  url: 'url:',
  user: 'u:',
  'user-agent': 'A:',
  verbose: 'v',
  version: 'V',
  'write-out': 'w:',
};

/** Letters as in getopt's string: those that are emulated, and those that are only known. */
export const shortOptions = '0146A:b:c:C:d:D:e:E:F:H:K:P:Q:T:U:Y:m:o:r:t:u:w:x:X:y:z:BGIJLMNORSVZafghijklnpqsv#';

/** Letters that the real curl takes and this one does not. */
export const otherLetters: ReadonlySet<string> = new Set('CEFKPQTUYtxyzBJMZahlnp');

/** Long options that the real curl 7.88 takes and this one does not. */
export const otherNames: ReadonlySet<string> = new Set(
  `abstract-unix-socket alt-svc anyauth append aws-sigv4 capath cert cert-status cert-type ciphers compressed-ssh config
continue-at create-file-mode crlf crlfile curves delegation digest disable-eprt disable-epsv disallow-username-in-url
dns-interface dns-ipv4-addr dns-ipv6-addr dns-servers doh-cert-status doh-insecure doh-url egd-file engine etag-compare
etag-save expect100-timeout fail-early false-start form form-escape form-string ftp-account ftp-alternative-to-user
ftp-create-dirs ftp-method ftp-pasv ftp-port ftp-pret ftp-skip-pasv-ip ftp-ssl-ccc ftp-ssl-ccc-mode ftp-ssl-control
happy-eyeballs-timeout-ms haproxy-protocol help hostpubmd5 hostpubsha256 hsts http0.9 http2 http2-prior-knowledge http3
http3-only ignore-content-length key key-type krb libcurl limit-rate list-only local-port login-options mail-auth mail-from
mail-rcpt mail-rcpt-allowfails manual max-filesize metalink negotiate netrc netrc-file netrc-optional next no-alpn
no-clobber no-npn no-sessionid ntlm ntlm-wb oauth2-bearer parallel parallel-immediate parallel-max pass pinnedpubkey post301
post302 post303 preproxy proto proto-default proto-redir proxy proxy-anyauth proxy-basic proxy-cacert proxy-capath
proxy-cert proxy-cert-type proxy-ciphers proxy-crlfile proxy-digest proxy-header proxy-insecure proxy-key proxy-key-type
proxy-negotiate proxy-ntlm proxy-pass proxy-pinnedpubkey proxy-service-name proxy-ssl-allow-beast
proxy-ssl-auto-client-cert proxy-tls13-ciphers proxy-tlsauthtype proxy-tlspassword proxy-tlsuser proxy-tlsv1 proxy-user
proxy1.0 proxytunnel pubkey quote random-file rate raw remote-header-name remote-name-all remove-on-error sasl-authzid
sasl-ir service-name socks4 socks4a socks5 socks5-basic socks5-gssapi socks5-gssapi-nec socks5-gssapi-service
socks5-hostname speed-limit speed-time ssl ssl-allow-beast ssl-auto-client-cert ssl-no-revoke ssl-reqd
ssl-revoke-best-effort sslv2 sslv3 stderr suppress-connect-headers tcp-fastopen telnet-option tftp-blksize tftp-no-options
time-cond tls-max tls13-ciphers tlsauthtype tlspassword tlsuser tlsv1.3 tr-encoding trace trace-ascii trace-time unix-socket
upload-file url-query use-ascii xattr`.split(/\s+/),
);

/** Why the options that people miss most are not there. */
export const refusals: Readonly<Record<string, string>> = {
  x: 'no HTTP proxy is part of the model: ask the server itself, or curl the address of the proxy',
  proxy: 'no HTTP proxy is part of the model: ask the server itself, or curl the address of the proxy',
  T: 'nothing is uploaded: -X PUT -d @FILE sends the text of a file',
  'upload-file': 'nothing is uploaded: -X PUT -d @FILE sends the text of a file',
  F: 'no multipart forms are made: -d sends the fields as a form',
  form: 'no multipart forms are made: -d sends the fields as a form',
  Z: 'requests are made one after the other',
  parallel: 'requests are made one after the other',
  next: 'run curl once for each set of options',
  http2: 'only HTTP/1.1 is spoken',
  'http2-prior-knowledge': 'only HTTP/1.1 is spoken',
  http3: 'only HTTP/1.1 is spoken',
  'tlsv1.3': 'only TLS 1.2 is spoken',
};
