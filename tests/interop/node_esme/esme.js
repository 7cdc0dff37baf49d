'use strict';
// An ESME made of node-smpp. Commands come as JSON lines on standard input, what happens goes out as JSON lines on
// standard output; `n` in a command comes back in its event.
//
//   {"op":"bind","kind":"transceiver","system_id":..,"password":..}   -> bound
//   {"op":"submit","pdu":{..}} / {"op":"data","pdu":{..}}             -> submitted (fields named *_hex are octets)
//   {"op":"refuse","status":N,"count":N}   answer the next deliver_sm with this status
//   {"op":"enquire"} -> enquired; {"op":"unbind"} -> unbound; {"op":"query","id":..} -> queried

const readline = require('readline');
const smpp = require('smpp');

const [port] = process.argv.slice(2);
const refusals = [];

function tell(event, fields) {
  process.stdout.write(JSON.stringify({ event, ...fields }) + '\n');
}

function hexOf(value) {
  return Buffer.isBuffer(value) ? value.toString('hex') : Buffer.from(value || '', 'latin1').toString('hex');
}

function octets(fields) {
  const pdu = {};
  for (const [key, value] of Object.entries(fields)) {
    if (key.endsWith('_hex')) {
      pdu[key.slice(0, -4)] = Buffer.from(value, 'hex');
    } else {
      pdu[key] = value;
    }
  }
  return pdu;
}

const session = smpp.connect({ url: `smpp://127.0.0.1:${port}` }, () => tell('connected', {}));

session.on('deliver_sm', (pdu) => {
  const text = pdu.short_message;
  const status = refusals.length ? refusals.shift() : 0;
  tell('deliver', {
    source: pdu.source_addr,
    destination: pdu.destination_addr,
    esm_class: pdu.esm_class,
    data_coding: pdu.data_coding,
    udh: text.udh ? text.udh.map(hexOf) : null,
    message: hexOf(text.message),
    receipted: pdu.receipted_message_id || null,
    state: pdu.message_state === undefined ? null : pdu.message_state,
    status,
  });
  session.send(pdu.response({ command_status: status }));
});

session.on('enquire_link', (pdu) => session.send(pdu.response()));
session.on('error', (error) => tell('error', { text: String(error) }));
session.on('close', () => tell('closed', {}));

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const command = JSON.parse(line);
  const answered = (event) => (pdu) => tell(event, {
    n: command.n,
    command: pdu.command,
    status: pdu.command_status,
    id: pdu.message_id || null,
    state: pdu.message_state === undefined ? null : pdu.message_state,
  });
  if (command.op === 'bind') {
    const names = { system_id: command.system_id, password: command.password, interface_version: 0x34 };
    session[`bind_${command.kind}`](names, answered('bound'));
  } else if (command.op === 'submit') {
    session.submit_sm(octets(command.pdu), answered('submitted'));
  } else if (command.op === 'data') {
    session.data_sm(octets(command.pdu), answered('submitted'));
  } else if (command.op === 'query') {
    session.query_sm({ message_id: command.id, source_addr: command.source }, answered('queried'));
  } else if (command.op === 'enquire') {
    session.enquire_link(answered('enquired'));
  } else if (command.op === 'unbind') {
    session.unbind(answered('unbound'));
  } else if (command.op === 'refuse') {
    for (let i = 0; i < command.count; i += 1) refusals.push(command.status);
  }
}).on('close', () => process.exit(0));
