// npm @mathieuc/tradingview against the demo market. Prints what it got as one JSON object.
require('./redirect.cjs');
const TradingView = require('@mathieuc/tradingview');

const TIMEFRAMES = ['1', '3', '5', '15', '30', '45', '60', '120', '180', '240', '1D', '1W', '1M'];
const [, , full, count] = process.argv;
const symbol = full.replace('DEMO:', '');
const result = { history: {}, quotes: [], updates: 0, more: 0, errors: {}, search: [], info: {} };

function within(seconds, what, start) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${what} took longer than ${seconds} s`)), seconds * 1000);
    start((value) => { clearTimeout(timer); resolve(value); });
  });
}

function bars(chart) {
  return chart.periods.map((p) => [p.time, p.open, p.max, p.min, p.close, p.volume]).reverse();
}

async function history(client, timeframe) {
  const chart = new client.Session.Chart();
  const found = await within(20, timeframe, (done) => {
    chart.onUpdate(() => done(bars(chart)));
    chart.setMarket(`DEMO:${symbol}`, { timeframe, range: Number(count) });
  });
  result.info = { name: chart.infos.full_name, session: chart.infos.session };
  chart.delete();
  return found;
}

async function live(client) {
  const chart = new client.Session.Chart();
  await within(20, 'more data', (done) => {
    let first = 0;
    let updates = 0;
    chart.onUpdate(() => {
      updates += 1;
      if (updates === 1) { first = chart.periods.length; chart.fetchMore(20); return; }
      result.more = chart.periods.length - first;
      result.updates = updates;
      if (updates > 3 && result.more > 0) done();
    });
    chart.setMarket(`DEMO:${symbol}`, { timeframe: '1', range: 10 });
  });
  chart.delete();
}

async function quotes(client) {
  const session = new client.Session.Quote({ fields: 'price' });
  const market = new session.Market(`DEMO:${symbol}`);
  let loaded = false;
  market.onLoaded(() => { loaded = true; });
  await within(20, 'quotes', (done) => market.onData((data) => {
    result.quotes.push({ lp: data.lp, volume: data.volume });
    if (loaded && result.quotes.length >= 5) done();
  }));
  market.close();
  session.delete();
}

function chartError(client, name, symbolAsked, options, after = () => {}) {
  const chart = new client.Session.Chart();
  return within(20, name, (done) => {
    chart.onError((...error) => { result.errors[name] = error.map(String); done(); });
    try {
      chart.setMarket(symbolAsked, options);
      after(chart);
    } catch (error) { result.errors[name] = [String(error)]; done(); }
  });
}

(async () => {
  const client = new TradingView.Client();
  client.onError((...error) => { result.errors.client = error.map(String); });
  for (const timeframe of TIMEFRAMES) result.history[timeframe] = await history(client, timeframe);
  await live(client);
  await quotes(client);
  const quote = new client.Session.Quote();
  await within(20, 'quote error', (done) => {
    new quote.Market('DEMO:NOSUCH').onError((...error) => { result.errors.quote = error.map(String); done(); });
  });
  await chartError(client, 'symbol', 'DEMO:NOSUCH', { timeframe: '1D' });
  await chartError(client, 'timeframe', `DEMO:${symbol}`, { timeframe: '15m' });
  await chartError(client, 'custom', `DEMO:${symbol}`, { timeframe: '20' });
  await chartError(client, 'seconds', `DEMO:${symbol}`, { timeframe: '1S' });
  await chartError(client, 'timezone', `DEMO:${symbol}`, { timeframe: '1D' }, (c) => c.setTimezone('Nowhere/Nowhere'));
  await chartError(client, 'series', `DEMO:${symbol}`, { timeframe: '1D', type: 'Renko', inputs: {} });
  await client.end();
  result.search = (await TradingView.searchMarketV3(`DEMO:${symbol}`)).map((found) => found.id);
  console.log(JSON.stringify(result));
  process.exit(0);
})().catch((error) => { console.error(error); process.exit(1); });
