"""Sets of values that together switch everything in the chart on and off."""

from typing import Final

from tests.charts.rendering import Values

PEM: Final = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"
OWN_SECRET: Final[Values] = {"pki": {"existingSecret": "mine"}}
OWN_SECRET_AND_CA: Final[Values] = {"pki": {"existingSecret": "mine", "caBundle": PEM}}
PEM_VALUES: Final[Values] = {"pki": {"cert": PEM, "key": PEM, "caBundle": PEM}}
CERT_MANAGER: Final[Values] = {"pki": {"certManager": {"enabled": True}}}
EXISTING_ISSUER: Final[Values] = {
    "pki": {"certManager": {"enabled": True, "existingIssuer": {"enabled": True, "name": "company"}}}
}
CA_INJECTOR: Final[Values] = {"pki": {"certManager": {"enabled": True, "injectCA": True}}}
MONITORING: Final[Values] = {
    "metrics": {
        "serviceMonitor": {"enabled": True, "interval": "30s", "scrapeTimeout": "10s", "namespace": "monitoring"},
        "prometheusRule": {"enabled": True, "alertLabels": {"team": "cloud"}},
        "dashboard": {"enabled": True, "annotations": {"folder": "AWS"}},
    }
}
AUDIT: Final[Values] = {
    "audit": {"enabled": True, "evict": True, "extraArgs": ["--evict-changed"]},
    "config": {"podIdentityWebhookMap": {"enabled": True}},
    "metrics": {"prometheusRule": {"enabled": True}},
}
POD_MONITOR: Final[Values] = {
    "metrics": {"podMonitor": {"enabled": True, "relabelings": [{"action": "labeldrop", "regex": "x"}]}}
}
# Without a cluster, the chart renders policies only if the values set the version.
POLICIES: Final[Values] = {
    "kubeVersionOverride": "1.30.0",
    "config": {"extraArgs": ["--compose-role-arn"]},
    "mutatingWebhook": {"namespaceSelector": {"matchLabels": {"aws": "yes"}}},
    "serviceAccountPolicy": {
        "action": "Deny",
        "allowedAccounts": [
            {"accounts": ["111122223333", "444455556666"]},
            {"accounts": ["777788889999"], "namespaceLabels": {"team": "shop", "example.com/stage": "test"}},
        ],
    },
}
HOST_NETWORK: Final[Values] = {"hostNetwork": True, "config": {"ports": {"webhook": 10250, "metrics": 10251}}}

MATRIX: Final[dict[str, Values]] = {
    "defaults": {},
    "own Secret": OWN_SECRET,
    "own Secret and CA": OWN_SECRET_AND_CA,
    "PEM values": PEM_VALUES,
    "cert-manager": CERT_MANAGER,
    "existing issuer": EXISTING_ISSUER,
    "cainjector": CA_INJECTOR,
    "monitoring": MONITORING,
    "pod monitor": POD_MONITOR,
    "audit": AUDIT,
    "host network": HOST_NETWORK,
    "HPA": {"autoscaling": {"enabled": True, "behavior": {"scaleDown": {"stabilizationWindowSeconds": 600}}}},
    "network policy": {"networkPolicy": {"enabled": True, "metricsFrom": [{"podSelector": {}}]}},
    "network policy without limits": {"networkPolicy": {"enabled": True, "apiServerPorts": []}},
    "nothing optional": {
        "podDisruptionBudget": {"enabled": False},
        "serviceAccount": {"create": False},
        "rbac": {"create": False},
        "tests": {"enabled": False},
        "priorityClassName": "",
        "resources": None,
        "securityContext": None,
        "podSecurityContext": None,
        "nodeSelector": None,
        "startupProbe": None,
        "readinessProbe": None,
        "livenessProbe": None,
    },
    "falsy values": {
        "replicaCount": 0,
        "revisionHistoryLimit": 0,
        "terminationGracePeriodSeconds": 0,
        "podDisruptionBudget": {"maxUnavailable": 0},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
    },
    "role mappings": {
        "config": {
            "podIdentityWebhookMap": {
                "enabled": True,
                "data": {"shop/reports": {"RoleARN": "arn:aws:iam::111122223333:role/reports"}},
            }
        }
    },
    "selectors": {
        "mutatingWebhook": {
            "failurePolicy": "Fail",
            "namespaceSelector": {"matchLabels": {"aws": "yes"}},
            "objectSelector": {"matchExpressions": [{"key": "team", "operator": "Exists"}]},
            "matchConditions": [{"name": "not-jobs", "expression": "!has(object.metadata.ownerReferences)"}],
            "annotations": {"example.com/owner": "cloud"},
        }
    },
    "policies": POLICIES,
    "policies by default": {"kubeVersionOverride": "1.30.0"},
    "names of 63": {
        "fullnameOverride": "f" * 63,
        "nameOverride": "n" * 63,
        "namespaceOverride": "s" * 63,
    },
    "everything of a pod": {
        "image": {"registry": "", "digest": f"sha256:{'0' * 64}"},
        "imagePullSecrets": ["one", {"name": "two"}],
        "config": {"extraArgs": ["--compose-role-arn"], "annotationPrefix": "example.com"},
        "affinity": {"nodeAffinity": {}},
        "tolerations": [{"operator": "Exists"}],
        "tolerateControlPlane": True,
        "topologySpreadConstraints": [
            {"topologyKey": "rack", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {}}
        ],
        "dnsPolicy": "Default",
        "dnsConfig": {"options": [{"name": "ndots", "value": "1"}]},
        "serviceAccount": {"labels": {"team": "cloud"}},
        "service": {"ipFamilyPolicy": "PreferDualStack"},
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", "5"]}}},
        "podLabels": {"team": "cloud"},
        "podAnnotations": {"example.com/a": "b"},
        "annotations": {"example.com/c": "d"},
        "commonLabels": {"company": "us"},
        "extraEnv": [{"name": "A", "value": "b"}],
        "extraVolumes": [{"name": "more", "emptyDir": {}}],
        "extraVolumeMounts": [{"name": "more", "mountPath": "/more"}],
        "extraObjects": [
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-more"}},
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: text",
        ],
    },
}
