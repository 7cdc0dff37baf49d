'use strict';
// An SMSC made of node-smpp, an SMPP stack that shares nothing with ours. Commands come as JSON lines on
// standard input, what happens goes out as JSON lines on standard output.
//
//   {"op":"hold","count":N}      answer the next N submits only when all are there, the last one first
//   {"op":"deliver","pdu":{..}}  send a deliver_sm; fields named *_hex are octets
//   {"op":"enquire"}             send an enquire_link
//   {"op":"drop"}                cut the connection without a word

const readline = require('readline');
const smpp = require('smpp');

const [systemId, password] = process.argv.slice(2);
let current = null;
let receiver = null;
let hold = 0;
let held = [];
let accepted = 0;
let connections = 0;

function tell(event, fields) {
  process.stdout.write(JSON.stringify({ event, ...fields }) + '\n');
}

function hexOf(value) {
  return Buffer.isBuffer(value) ? value.toString('hex') : Buffer.from(value, 'latin1').toString('hex');
}

function answer(session, pdu) {
  if (pdu.destination_addr.startsWith('999')) {
    session.send(pdu.response({ command_status: smpp.ESME_RINVDSTADR }));
  } else {
    accepted += 1;
    session.send(pdu.response({ message_id: `m-${pdu.destination_addr}` }));
  }
}

function submitted(session, pdu) {
  const text = pdu.short_message;
  const sar = [pdu.sar_msg_ref_num, pdu.sar_total_segments, pdu.sar_segment_seqnum];
  tell('submit', {
    session: session.number,
    bound_as: session.kind,
    sar: sar[0] === undefined ? null : sar,
    payload: pdu.message_payload ? hexOf(pdu.message_payload.message) : null,
    source: pdu.source_addr,
    source_ton: pdu.source_addr_ton,
    destination: pdu.destination_addr,
    esm_class: pdu.esm_class,
    protocol_id: pdu.protocol_id,
    data_coding: pdu.data_coding,
    registered_delivery: pdu.registered_delivery,
    validity_period: pdu.validity_period,
    udh: text.udh ? text.udh.map(hexOf) : null,
    message: hexOf(text.message),
    held: held.length,
  });
  if (hold > 0) {
    held.push(pdu);
    if (held.length === hold) {
      held.reverse().forEach((one) => answer(session, one));
      hold = 0;
      held = [];
    }
    return;
  }
  answer(session, pdu);
}

function bind(session, kind, pdu) {
  if (pdu.system_id !== systemId || pdu.password !== password) {
    session.send(pdu.response({ command_status: smpp.ESME_RINVPASWD }));
    return;
  }
  session.kind = kind;
  if (kind !== 'transmitter') {
    receiver = session;
  }
  session.send(pdu.response({ system_id: 'node-smpp', sc_interface_version: 0x34 }));
  tell('kind', { kind });
  tell('bound', { system_type: pdu.system_type, interface_version: pdu.interface_version });
}

function dataSubmitted(session, pdu) {
  const text = pdu.message_payload;
  tell('data', {
    esm_class: pdu.esm_class,
    data_coding: pdu.data_coding,
    time_to_live: pdu.qos_time_to_live,
    udh: text.udh ? text.udh.map(hexOf) : null,
    message: hexOf(text.message),
  });
  session.send(pdu.response({ message_id: `d-${pdu.destination_addr}` }));
}

const server = smpp.createServer((session) => {
  current = session;
  connections += 1;
  tell('connected', { number: connections });
  session.on('error', (error) => tell('error', { message: error.message }));
  session.on('close', () => tell('closed', {}));
  session.number = connections;
  for (const kind of ['transceiver', 'transmitter', 'receiver']) {
    session.on(`bind_${kind}`, (pdu) => bind(session, kind, pdu));
  }
  session.on('data_sm', (pdu) => dataSubmitted(session, pdu));
  session.on('submit_sm', (pdu) => submitted(session, pdu));
  session.on('enquire_link', (pdu) => {
    session.send(pdu.response());
    tell('enquired', {});
  });
  session.on('unbind', (pdu) => {
    session.send(pdu.response());
    tell('unbound', { accepted });
    session.close();
  });
});

function deliver(fields) {
  const pdu = {};
  for (const [key, value] of Object.entries(fields)) {
    if (key.endsWith('_hex')) {
      pdu[key.slice(0, -4)] = Buffer.from(value, 'hex');
    } else {
      pdu[key] = value;
    }
  }
  (receiver || current).deliver_sm(pdu, (response) => tell('answered', { status: response.command_status }));
}

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const command = JSON.parse(line);
  if (command.op === 'hold') {
    hold = command.count;
  } else if (command.op === 'deliver') {
    deliver(command.pdu);
  } else if (command.op === 'enquire') {
    current.enquire_link((response) => tell('answered', { status: response.command_status }));
  } else if (command.op === 'drop') {
    current.destroy();
  }
}).on('close', () => process.exit(0));

server.listen(0, '127.0.0.1', () => tell('listening', { port: server.address().port }));
