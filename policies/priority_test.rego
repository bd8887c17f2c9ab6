package kubernaut.gateway.priority_test

import data.kubernaut.gateway.priority
import rego.v1

signal(severity, environment, labels) := {
	"severity": severity,
	"environment": environment,
	"namespace": "prod-payment-service",
	"alertname": "HighMemoryUsage",
	"source": "prometheus",
	"resource": {"kind": "Pod", "name": "payment-api-789"},
	"labels": labels,
	"annotations": {},
	"storm": false,
}

cases := {
	["critical", "production", "P1"],
	["critical", "staging", "P2"],
	["warning", "production", "P2"],
	["warning", "staging", "P3"],
	["info", "production", "P3"],
	["critical", "qa-eu", "P3"],
	["info", "unknown", "P3"],
}

test_table if {
	every case in cases {
		priority.priority == case[2] with input as signal(case[0], case[1], {})
	}
}

test_tier_0_is_p0_in_production if {
	priority.priority == "P0" with input as signal("critical", "production", {"tier": "0"})
}

test_tier_0_is_ordinary_elsewhere if {
	priority.priority == "P2" with input as signal("critical", "staging", {"tier": "0"})
	priority.priority == "P2" with input as signal("warning", "production", {"tier": "0"})
}

test_the_rule_of_an_alert_decides if {
	priority.priority == "P4" with input as signal("critical", "production", {"kubernaut_priority": "P4"})
	priority.priority == "P0" with input as signal("info", "test", {"kubernaut_priority": "P0"})
}

test_a_priority_that_is_none_is_not_taken if {
	priority.priority == "P1" with input as signal("critical", "production", {"kubernaut_priority": "P9"})
}
