# METADATA
# title: How urgent a signal is
# description: >-
#   Decides the priority of a RemediationRequest, from P0 (the most urgent) to P4. What this leaves undefined the fallback table of
#   the configuration decides. Input and results: README.md.
package kubernaut.gateway.priority

import rego.v1

# As priority.fallback_table of the configuration; the most specific entry decides.
table := {
	"critical_production": "P1",
	"critical_staging": "P2",
	"warning_production": "P2",
	"warning_staging": "P3",
	"default": "P3",
}

# An alert that names its priority in its rule knows best: labels: {kubernaut_priority: P0}
priority := input.labels.kubernaut_priority if {
	input.labels.kubernaut_priority in {"P0", "P1", "P2", "P3", "P4"}
}

# What everything else stands on: labels: {tier: "0"}
else := "P0" if {
	input.severity == "critical"
	input.environment == "production"
	input.labels.tier == "0"
}

else := entries[0]

# The entries of the table that fit, the most specific first.
entries := [table[key] |
	some key in [concat("_", [input.severity, input.environment]), input.severity, "default"]
]
