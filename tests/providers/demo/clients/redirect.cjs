// Sends every connection to tradingview.com to a local port; what the client library does stays as it is.
const tls = require('tls');

const connect = tls.connect;
tls.connect = (options, ...rest) => {
  const host = options.servername || options.host || options.hostname || '';
  if (!host.endsWith('tradingview.com')) return connect(options, ...rest);
  return connect({ ...options, servername: host, host: '127.0.0.1', port: Number(process.env.DEMO_PORT) }, ...rest);
};
