// decode reads Kubernetes manifests as the API server does: into the real Go types, without unknown or repeated fields. What is
// decoded without an error and refused later all the same is looked at besides: names, labels, selectors, ports, variables.
//
// It reads YAML documents from standard input and writes one line of JSON for each: what it is, whether its type is known here,
// and what is wrong with it.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/runtime"
	jsonserializer "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
)

// judged is one line of the answer.
type judged struct {
	Kind     string   `json:"kind"`
	Name     string   `json:"name"`
	Known    bool     `json:"known"`
	Problems []string `json:"problems"`
}

func main() {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		appsv1.AddToScheme, autoscalingv2.AddToScheme, batchv1.AddToScheme, corev1.AddToScheme,
		networkingv1.AddToScheme, policyv1.AddToScheme, rbacv1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			fail(err)
		}
	}
	decoder := jsonserializer.NewSerializerWithOptions(
		jsonserializer.DefaultMetaFactory, scheme, scheme, jsonserializer.SerializerOptions{Yaml: true, Strict: true})
	documents := utilyaml.NewYAMLReader(bufio.NewReader(os.Stdin))
	answers := json.NewEncoder(os.Stdout)
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			fail(err)
		}
		if err := answers.Encode(judge(decoder, document)); err != nil {
			fail(err)
		}
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "decode:", err)
	os.Exit(2)
}

func judge(decoder runtime.Decoder, document []byte) judged {
	answer := judged{Problems: []string{}}
	object, kind, err := decoder.Decode(document, nil, nil)
	if kind != nil {
		answer.Kind = kind.String()
	}
	answer.Known = !runtime.IsNotRegisteredError(err)
	if object != nil {
		if about, err := meta.Accessor(object); err == nil {
			answer.Name = about.GetName()
			for _, each := range validation.IsDNS1123Subdomain(about.GetName()) {
				answer.Problems = append(answer.Problems, "metadata.name: "+each)
			}
		}
	}
	if err != nil {
		if answer.Known {
			answer.Problems = append(answer.Problems, err.Error())
		}
		return answer
	}
	walk(reflect.ValueOf(object), field.NewPath(""), func(problem string) { answer.Problems = append(answer.Problems, problem) })
	return answer
}

// walk goes through everything that is set, and reports what the types alone do not forbid.
func walk(value reflect.Value, path *field.Path, report func(string)) {
	switch value.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !value.IsNil() {
			walk(value.Elem(), path, report)
		}
	case reflect.Slice:
		for i := range value.Len() {
			walk(value.Index(i), path.Index(i), report)
		}
	case reflect.Map:
		for _, key := range value.MapKeys() {
			walk(value.MapIndex(key), path.Key(fmt.Sprint(key)), report)
		}
	case reflect.Struct:
		if value.CanInterface() {
			for _, each := range inspect(value.Interface(), path) {
				report(each)
			}
		}
		for i := range value.NumField() {
			if value.Type().Field(i).IsExported() {
				walk(value.Field(i), path.Child(value.Type().Field(i).Name), report)
			}
		}
	}
}

func inspect(value any, path *field.Path) []string {
	var problems []string
	add := func(where *field.Path, messages []string) {
		for _, each := range messages {
			problems = append(problems, where.String()+": "+each)
		}
	}
	switch found := value.(type) {
	case metav1.ObjectMeta:
		for _, each := range metavalidation.ValidateLabels(found.Labels, path.Child("labels")) {
			problems = append(problems, each.Error())
		}
		for key := range found.Annotations {
			add(path.Child("annotations"), validation.IsQualifiedName(key))
		}
	case metav1.LabelSelector:
		for _, each := range metavalidation.ValidateLabelSelector(&found, metavalidation.LabelSelectorValidationOptions{}, path) {
			problems = append(problems, each.Error())
		}
	case corev1.ContainerPort:
		if found.Name != "" {
			add(path.Child("name"), validation.IsValidPortName(found.Name))
		}
		add(path.Child("containerPort"), validation.IsValidPortNum(int(found.ContainerPort)))
	case corev1.ServicePort:
		add(path.Child("name"), validation.IsDNS1123Label(found.Name))
		add(path.Child("port"), validation.IsValidPortNum(int(found.Port)))
	case corev1.Container:
		add(path.Child("name"), validation.IsDNS1123Label(found.Name))
	case corev1.EnvVar:
		add(path.Child("name"), validation.IsEnvVarName(found.Name))
	case corev1.Volume:
		add(path.Child("name"), validation.IsDNS1123Label(found.Name))
	}
	return problems
}
