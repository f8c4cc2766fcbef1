package agent

// Exchanges is how many exchanges an estimate of an agent's clock takes.
const Exchanges = exchanges
