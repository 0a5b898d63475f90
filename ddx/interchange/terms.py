"""The FHIR R4 code systems and value sets that a review needs; `fhir.resources` checks none of them.

Codes as FHIR R4 (4.0.1, unchanged in 4.3.0) and HL7 Terminology have them. Where the specification binds a value set
"required", no other code may stand.
"""

from __future__ import annotations

import re
from typing import Any

__all__ = [
    "AI_ASSERTED", "CLINICAL", "CONDITION_CATEGORY", "DDXPLUS", "ICD10", "ICD10_CODE", "LOINC", "OBSERVATION_VALUE",
    "PARTICIPANT", "REQUIRED", "UCUM", "VERIFICATION", "coding", "concept",
]  # fmt: skip

_HL7 = "http://terminology.hl7.org/CodeSystem/"
ICD10 = "http://hl7.org/fhir/sid/icd-10"  # the WHO's edition; national ones have systems of their own
ICD10_CODE = re.compile(r"[A-Z][0-9]{2}(\.[0-9]{1,2})?")
LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
DDXPLUS = "https://github.com/mila-iqia/ddxplus"  # no registered system: where the codes are published
VERIFICATION = f"{_HL7}condition-ver-status"
CLINICAL = f"{_HL7}condition-clinical"
CONDITION_CATEGORY = f"{_HL7}condition-category"
PARTICIPANT = f"{_HL7}provenance-participant-type"
OBSERVATION_VALUE = f"{_HL7}v3-ObservationValue"

AI_ASSERTED = {"system": OBSERVATION_VALUE, "code": "AIAST", "display": "Artificial Intelligence asserted"}

_OBSERVATION_STATUS = {
    "registered", "preliminary", "final", "amended", "corrected", "cancelled", "entered-in-error", "unknown",
}  # fmt: skip
# Value sets by what they say; codes for `code` elements, codes of one system for coded concepts.
REQUIRED: dict[str, set[str]] = {
    "RiskAssessment.status": _OBSERVATION_STATUS,
    "Observation.status": _OBSERVATION_STATUS,
    "ClinicalImpression.status": {"in-progress", "completed", "entered-in-error"},
    "Device.status": {"active", "inactive", "entered-in-error", "unknown"},
    "Device.deviceName.type": {
        "udi-label-name", "user-friendly-name", "patient-reported-name", "manufacturer-name", "model-name", "other",
    },
    "Patient.gender": {"male", "female", "other", "unknown"},
    "Provenance.entity.role": {"derivation", "revision", "quotation", "source", "removal"},
    "Bundle.type": {"collection"},
    VERIFICATION: {"unconfirmed", "provisional", "differential", "confirmed", "refuted", "entered-in-error"},
    CLINICAL: {"active", "recurrence", "relapse", "inactive", "remission", "resolved"},
    CONDITION_CATEGORY: {"problem-list-item", "encounter-diagnosis"},
    PARTICIPANT: {
        "enterer", "performer", "author", "verifier", "legal", "attester", "informant", "custodian", "assembler",
        "composer",
    },
    # Who asserted a thing: the "asserted by" integrity labels, as HL7 Terminology has them.
    OBSERVATION_VALUE: {"AIAST", "CLINAST", "DEVAST", "HCPAST", "PACQAST", "PATAST", "PAYAST", "PROAST", "SDMAST"},
}  # fmt: skip


def coding(system: str, code: str, display: str | None = None) -> dict[str, Any]:
    """One Coding."""
    return {"system": system, "code": code, **({"display": display} if display else {})}


def concept(text: str, *codings: dict[str, Any]) -> dict[str, Any]:
    """A CodeableConcept: words, and their codes where there are any."""
    return {**({"coding": list(codings)} if codings else {}), "text": text}
